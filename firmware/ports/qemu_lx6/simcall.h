/* The simulator's system calls: the emulated core's only door to the world. */
#ifndef EQ_LX6_SIMCALL_H
#define EQ_LX6_SIMCALL_H

#include <stdint.h>

/* How the process ends; the virtual board looks at it. */
enum { EXIT_END_OF_STREAM = 0, EXIT_REBOOT = 64, EXIT_PANIC = 65 };

void console_write(const uint8_t *bytes, uint32_t count);

/* Waits for at least one byte; 0 at the end of the stream. */
uint32_t console_read(uint8_t *bytes, uint32_t capacity);

_Noreturn void halt(int status);

#endif
