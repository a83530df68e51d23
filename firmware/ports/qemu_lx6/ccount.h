/* A clock that counts instructions: exactly, but for window exceptions, where the emulator also counts what
 * was left of its translation block, a few instructions. The same program on the same input reads the same to
 * the digit. */
#ifndef EQ_LX6_CCOUNT_H
#define EQ_LX6_CCOUNT_H

#include <stdint.h>

/* To be called once, before the first `instructions`. */
void ccount_synchronise(void);

/* Instructions executed since then. It must be called at least once in 3.3 G instructions, or it loses a turn
 * of the 32-bit counter behind it. */
uint64_t instructions(void);

#endif
