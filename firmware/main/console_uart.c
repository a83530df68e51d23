#include "console.h"
#include "driver/uart.h"
#include "sdkconfig.h"

enum { RECEIVE_BYTES = 2048 }; /* several frames of the link */

static const uart_port_t UART = (uart_port_t)CONFIG_ESP_CONSOLE_UART_NUM;

/* Baud rate and pins are those that start-up gave the console. */
void console_open(void) {
    ESP_ERROR_CHECK(uart_driver_install(UART, RECEIVE_BYTES, 0, 0, NULL, 0));
}

uint32_t console_read(uint8_t *buf, uint32_t capacity, TickType_t ticks) {
    size_t waiting = 0;
    (void)uart_get_buffered_data_len(UART, &waiting);
    if (waiting > capacity) waiting = capacity;
    int got = uart_read_bytes(UART, buf, waiting ? (uint32_t)waiting : 1, ticks);
    return got > 0 ? (uint32_t)got : 0;
}

void console_write(const uint8_t *buf, uint32_t bytes) {
    (void)uart_write_bytes(UART, buf, bytes);
}
