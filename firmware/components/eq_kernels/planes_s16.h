/* The parts of a depthwise 3x3 convolution that a core with MAC16 does in assembly: channels taken apart into
 * planes of int16, and one channel's outputs from its plane. */
#ifndef EQ_PLANES_S16_H
#define EQ_PLANES_S16_H

#include <stdint.h>

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

/* Outputs of one channel of a 3x3 window: some lines of them, from a plane as above. With A = 4 * (sum +
 * bias) and h = A * multiplier >> 32, an output is (h + offset [+ 2 * (h < -1 ? -1 : 0)]) >> shift, clamped;
 * the term in brackets where `sign` is set (kernels.md#requantisation). The field offsets are known to
 * plane3x3_s16_lx6.S. */
typedef struct eq_plane3x3 {
    const int16_t *line; /* on a 4-byte boundary; up to EQ_PLANE_LINE values of a line may be read */
    int8_t *output;
    int32_t lines, outputs; /* at least 1; outputs are those of a line */
    int32_t output_step;    /* bytes from an output to the next on its line */
    int32_t output_line;    /* bytes from a line of outputs to the next */
    int32_t line_step;      /* bytes from what a line of outputs reads first to what the next does */
    int32_t stride;         /* 1 or 2, along the line */
    int32_t bias;           /* times 4 */
    int32_t multiplier, offset, shift;
    int32_t min, max;
    int32_t sign;
    int16_t weights[10]; /* times 4, row by row; the last is 0 */
} eq_plane3x3;

/* `p` is used up. */
void eq_plane3x3_s16(eq_plane3x3 *p);
void eq_plane3x3_s16_lx6(eq_plane3x3 *p);

#endif
