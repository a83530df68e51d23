#include "console.h"
#include "driver/usb_serial_jtag.h"

enum { BUFFER_BYTES = 2048, /* several frames of the link */ WRITE_MS = 200 };

void console_open(void) {
    usb_serial_jtag_driver_config_t config = {.tx_buffer_size = BUFFER_BYTES, .rx_buffer_size = BUFFER_BYTES};
    ESP_ERROR_CHECK(usb_serial_jtag_driver_install(&config));
}

uint32_t console_read(uint8_t *buf, uint32_t capacity, TickType_t ticks) {
    int got = usb_serial_jtag_read_bytes(buf, capacity, ticks);
    return got > 0 ? (uint32_t)got : 0;
}

/* Where no computer listens nothing drains the buffer: what does not go out in time is dropped, and a tool
 * asks again. */
void console_write(const uint8_t *buf, uint32_t bytes) {
    while (bytes) {
        uint32_t part = bytes < BUFFER_BYTES ? bytes : BUFFER_BYTES;
        int sent = usb_serial_jtag_write_bytes(buf, part, pdMS_TO_TICKS(WRITE_MS));
        if (sent <= 0) return;
        buf += sent;
        bytes -= (uint32_t)sent;
    }
}
