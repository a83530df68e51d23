/* The parts of a depthwise 3x3 convolution that a core with MAC16 does in assembly: channels taken apart into
 * planes of int16, and one channel's outputs from its plane. */
#ifndef EQ_PLANES_S16_H
#define EQ_PLANES_S16_H

#include "eq_kernels.h"

enum {
    EQ_PLANE_LINE = 62,                /* halfwords of a plane's line; 124 bytes */
    EQ_PLANES = 4,                     /* planes beside each other: line 0 of each, then line 1 of each */
    EQ_PLANES_LINE = 4 * EQ_PLANE_LINE /* halfwords from a plane's line to its next */
};

/* Four channels' values plus 128, so 0 to 255, each on its own plane. The field offsets are known to
 * planes_s16_lx6.S. */
typedef struct eq_planes {
    const int8_t *from; /* on a 4-byte boundary, as are the steps */
    int32_t step;       /* bytes from a pixel to the next on its line */
    int32_t line_step;  /* bytes from a line to the next */
    int16_t *to;
    int32_t lines, pixels; /* at least 1 */
    uint32_t flip;         /* 0x80808080 */
} eq_planes;

/* `planes` is used up. */
void eq_planes_s16(eq_planes *planes);
void eq_planes_s16_lx6(eq_planes *planes);

/* What the outputs of all channels of a 3x3 window have in common. The field offsets are known to
 * plane3x3_s16_lx6.S. */
typedef struct eq_plane3x3 {
    int32_t lines, outputs; /* at least 1; outputs are those of a line */
    int32_t output_step;    /* bytes from an output to the next on its line */
    int32_t output_line;    /* bytes from a line of outputs to the next */
    int32_t line_step;      /* bytes from what a line of outputs reads first to what the next does */
    int32_t stride;         /* 1 or 2, along the line */
    int32_t min, max;
    int32_t tap,
        row; /* bytes of the weights from a tap to the next, and from a row's third to the next row's first */
} eq_plane3x3;

/* Some lines of outputs of one channel. Its plane lies on a 4-byte boundary, up to EQ_PLANE_LINE values of a
 * line are read; `channel` has sums times 4, and its `down` is `up`, or less by 2. */
void eq_plane3x3_s16(const eq_plane3x3 *p, const eq_scaled_channel *channel, const int16_t *plane,
                     int8_t *output, const int8_t *weights);
void eq_plane3x3_s16_lx6(const eq_plane3x3 *p, const eq_scaled_channel *channel, const int16_t *plane,
                         int8_t *output, const int8_t *weights);

#endif
