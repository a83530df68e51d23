/* The emulated core's door to the world: ARM's semihosting, which RISC-V took over. */
#ifndef EQ_RV32_CONSOLE_H
#define EQ_RV32_CONSOLE_H

#include <stdint.h>

#define IMAGE_ADDRESS 0x84000000u

enum { EXIT_END_OF_STREAM = 0, EXIT_PANIC = 65 };

static inline void console_start(void) {
} /* start.S has done it all */

void console_write(const uint8_t *bytes, uint32_t count);

/* Waits for at least one byte; 0 at the end of the stream. */
uint32_t console_read(uint8_t *bytes, uint32_t capacity);

_Noreturn void halt(int status);

/* Executed since the start, exactly. */
uint64_t instructions(void);

#endif
