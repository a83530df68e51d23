#include "ccount.h"

/* Instructions spent in place of MULSH and MULUH, beyond one each. */
extern volatile uint32_t trap_instructions;

/* Carries a counter that wraps on to 64 bits. */
static uint64_t extend(uint64_t before, uint32_t now) {
    return before + (uint32_t)(now - (uint32_t)before);
}

/* CCOUNT ticks 32 times in 25 instructions: ticks = floor(instructions x 32 / 25), so rounding up on the way
 * back gives the instructions. */
uint64_t instructions(void) {
    static uint64_t ticks, trapped;
    uint32_t now;
    __asm__ volatile("rsr %0, ccount" : "=r"(now));
    trapped = extend(trapped, trap_instructions);
    ticks = extend(ticks, now);
    return (ticks * 25 + 31) / 32 - trapped;
}
