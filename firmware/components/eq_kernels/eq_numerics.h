/* The integer rules that kernels share; docs/numerics.md states each, edgeq/ops/numerics.py is their twin. */
#ifndef EQ_NUMERICS_H
#define EQ_NUMERICS_H

#include <stdint.h>

#include "eq_kernels.h"

/* (a * b * 2) >> 32, rounded: (a * b + 2^30) >> 31. Floor of a nudged product equals TFLite's truncation with
 * a signed nudge, and a multiplier is never negative, so that nothing saturates. The halves of the product
 * are taken apart so that nothing is carried from one to the other. numerics.md#high-mul */
static inline int32_t eq_high_mul(int32_t a, int32_t multiplier) {
    int64_t product = (int64_t)a * multiplier;
    return (int32_t)((uint32_t)(product >> 32) * 2 + (((uint32_t)product >> 30) + 1) / 2);
}

/* x / 2^exponent to nearest, ties away from zero; exponent in [0, 31]. numerics.md#rounding-divide */
static inline int32_t eq_rounding_divide(int32_t x, int32_t exponent) {
    int32_t mask = (int32_t)((1u << exponent) - 1u);
    int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/* numerics.md#quantized-multiplier. The division is eq_rounding_divide in fewer instructions: a floor of
 * floors is one floor, and as no product exceeds 2^31 - 2 in size, neither sum overflows. */
static inline int32_t eq_requantise(int32_t x, int32_t multiplier, int32_t shift) {
    if (shift >= 0) return eq_high_mul((int32_t)((uint32_t)x << shift), multiplier);
    int32_t high = eq_high_mul(x, multiplier);
    return (((high + (high >> 31)) >> (-shift - 1)) + 1) >> 1;
}

static inline int32_t eq_clamp(int32_t x, int32_t min, int32_t max) {
    int32_t low = x < min ? min : x;
    return low > max ? max : low;
}

/* A requantised accumulator as an output, which fits an int8. The sum cannot overflow where it matters: it
 * wraps. */
static inline int32_t eq_output_s8(int32_t acc, int32_t multiplier, int32_t shift, const eq_output *output) {
    uint32_t value = (uint32_t)eq_requantise(acc, multiplier, shift) + (uint32_t)output->zero_point;
    return eq_clamp((int32_t)value, output->min, output->max);
}

/* acc + sum of w[i] * (x[i] - zero_point), modulo 2^32. */
static inline uint32_t eq_dot_s8(uint32_t acc, const int8_t *x, const int8_t *w, int32_t n,
                                 int32_t zero_point) {
    for (; n >= 4; n -= 4, x += 4, w += 4) {
        acc += (uint32_t)(w[0] * (x[0] - zero_point)) + (uint32_t)(w[1] * (x[1] - zero_point));
        acc += (uint32_t)(w[2] * (x[2] - zero_point)) + (uint32_t)(w[3] * (x[3] - zero_point));
    }
    for (; n > 0; n--, x++, w++) acc += (uint32_t)(*w * (*x - zero_point));
    return acc;
}

/* The sum of n values, modulo 2^32. */
static inline uint32_t eq_sum_s8(const int8_t *x, int32_t n) {
    uint32_t sum = 0;
    for (int32_t i = 0; i < n; i++) sum += (uint32_t)x[i];
    return sum;
}

/* The part of a window along one side that lies inside the input: taps [first, last). */
typedef struct eq_taps {
    int32_t origin, first, last;
} eq_taps;

static inline eq_taps eq_taps_inside(int32_t out, int32_t stride, int32_t pad, int32_t size, int32_t dilation,
                                     int32_t in) {
    eq_taps t = {out * stride - pad, 0, size};
    if (t.origin < 0) t.first = (-t.origin + dilation - 1) / dilation;
    if (t.origin + (size - 1) * dilation >= in)
        t.last = in > t.origin ? (in - t.origin + dilation - 1) / dilation : 0;
    if (t.first > t.last) t.first = t.last;
    return t;
}

#endif
