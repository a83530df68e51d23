/* The serial console that ESP-IDF was configured for: UART0, or the chip's own USB. One of two files is
 * built. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdint.h>

#include "freertos/FreeRTOS.h"

void console_open(void);

/* Waits at most so many ticks for a first byte; returns how many bytes came, 0 where none did. */
uint32_t console_read(uint8_t *buf, uint32_t capacity, TickType_t ticks);

/* Returns when all is on its way. */
void console_write(const uint8_t *buf, uint32_t bytes);

#endif
