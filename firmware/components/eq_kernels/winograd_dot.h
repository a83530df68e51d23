/* The dot product of transformed tiles and weights in plain C. */
#ifndef EQ_WINOGRAD_DOT_H
#define EQ_WINOGRAD_DOT_H

#include <stdint.h>

static inline uint32_t eq_winograd_dot(const int16_t *x, const int16_t *w, int32_t n) {
    uint32_t sum = 0;
    for (int32_t i = 0; i < n; i++) sum += (uint32_t)(x[i] * w[i]);
    return sum;
}

/* A value stored, or added to what is there. */
static inline void eq_winograd_put(int32_t *sum, uint32_t y, int32_t correction, int32_t shift,
                                   int32_t adds) {
    int32_t value = (int32_t)(y - (uint32_t)correction) >> shift;
    *sum = (int32_t)((uint32_t)value + (adds ? (uint32_t)*sum : 0));
}

#endif
