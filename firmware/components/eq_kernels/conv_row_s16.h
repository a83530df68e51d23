/* The heart of the convolutions that widen to int16: one row of outputs of some channels, from scratch alone.
 */
#ifndef EQ_CONV_ROW_S16_H
#define EQ_CONV_ROW_S16_H

#include <stdint.h>

enum { EQ_ROW_SEGMENTS = 16 };

/* What one output channel needs behind its sum of products. The shift is to the right, 0 to 31. */
typedef struct eq_row_channel {
    int32_t bias, multiplier;
    int32_t half; /* 2^(shift - 1), 0 for a shift of 0 */
    int32_t shift;
} eq_row_channel;

/* A dot product runs over `segments` runs of 4 * `groups` values each; those of the first pixel start at
 * `segment[i]`, each further pixel's lie `step` bytes behind. The weights of all channels follow each other
 * without a gap. All starts are on 4-byte boundaries, and up to 8 bytes beyond each end may be read.
 *
 * The field offsets are known to conv_row_s16_lx6.S. */
typedef struct eq_row {
    int32_t pixels;
    int32_t channels;
    int32_t step;          /* bytes */
    int32_t output_stride; /* bytes between the outputs of two pixels */
    int32_t groups;
    int32_t segments;
    const int16_t *weights;
    const eq_row_channel *channel;
    int8_t *output;
    int32_t zero_point, min, max;
    const int16_t *segment[EQ_ROW_SEGMENTS];
} eq_row;

/* The sums must stay below 2^30 in size (the planner sees to it), so that the rounding of
 * numerics.md#rounding-divide is (x + half - (x < 0)) >> shift. `row` is used up. */
void eq_conv_row_s16(eq_row *row);

/* The same in assembly for cores with MAC16: equal bytes. */
void eq_conv_row_s16_lx6(eq_row *row);

#endif
