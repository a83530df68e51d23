/* What the convolutions that gather windows and the fully connected layer share: sums that a power of two
 * scales, and their way to int8. docs/kernels.md has the proofs. */
#ifndef EQ_SCALED_S16_H
#define EQ_SCALED_S16_H

#include "eq_kernels.h"

/* A scaled sum as an output. Sums and addends wrap like the registers of the assembly. */
static inline int8_t eq_scaled_output(int32_t sum, const eq_scaled_channel *channel, int32_t min,
                                      int32_t max) {
    int32_t high = (int32_t)((int64_t)sum * channel->multiplier >> 32);
    uint32_t nudged = (uint32_t)high + (uint32_t)(high < 0 ? channel->down : channel->up);
    int32_t value = (int32_t)nudged >> channel->shift;
    return (int8_t)(value < min ? min : value > max ? max : value);
}

/* Where the value of index i stands in grouped order: the second and third of each four change places. */
static inline int32_t eq_grouped(int32_t i) {
    return (i & ~3) | (i & 1) << 1 | (i >> 1 & 1);
}

/* Where a weight stands for values in their natural order: the first alone, the others grouped. */
static inline int32_t eq_natural(int32_t i) {
    return i ? 1 + eq_grouped(i - 1) : 0;
}

#endif
