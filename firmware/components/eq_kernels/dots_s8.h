/* Sums of products of several pixels with several output channels at once, so that each value loaded serves
 * more than one product. How many fit depends on a core's registers. docs/kernels.md#conv2d_s8 */
#ifndef EQ_DOTS_S8_H
#define EQ_DOTS_S8_H

#include <stdint.h>

#include "eq_kernels.h"

#ifndef EQ_DOTS_PIXELS
#if defined(__XTENSA__)
#define EQ_DOTS_PIXELS 2
#else
#define EQ_DOTS_PIXELS 3
#endif
#endif
#define EQ_DOTS_LANES 4 /* output channels */

/* A row of sums for each pixel, modulo 2^32. */
typedef uint32_t eq_dots[EQ_DOTS_PIXELS][EQ_DOTS_LANES];

/* The weights of each lane; a lane too many repeats another. */
typedef const int8_t *eq_lanes[EQ_DOTS_LANES];

/* sums[p][l] += sum of w[l][at + i] * (x[p * step + i] - zero_point), i from 0 to n - 1. */
typedef void eq_dots_function(eq_dots sums, const int8_t *x, int32_t step, const eq_lanes w, int32_t at,
                              int32_t n, int32_t zero_point);

/* By whether the zero point counts, and by pixels - 1. */
extern eq_dots_function *const eq_dots_s8[2][EQ_DOTS_PIXELS];

/* Where sums go: `step` values from pixel to pixel, with a multiplier and a shift for each lane. */
typedef struct eq_dots_output {
    const int32_t *multipliers, *shifts;
    const eq_output *range;
    int32_t step;
} eq_dots_output;

void eq_dots_output_s8(const eq_dots_output *to, eq_dots sums, int32_t pixels, int32_t lanes, int8_t *output);

#endif
