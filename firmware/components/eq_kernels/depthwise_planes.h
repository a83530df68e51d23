/* What the depthwise convolutions for cores with MAC16 share: four input channels at a time are taken apart
 * into planes of int16 in the scratch, and a channel's outputs then come from its plane alone. */
#ifndef EQ_DEPTHWISE_PLANES_H
#define EQ_DEPTHWISE_PLANES_H

#include "eq_kernels.h"
#include "planes_s16.h"

/* Inputs of a line that are used; what reads in words reads up to one beyond them. */
enum { EQ_PLANE_INPUTS = EQ_DEPTHWISE_SPAN };
_Static_assert(EQ_PLANE_INPUTS + 3 <= EQ_PLANE_LINE, "a line is too short");

/* One direction of the input: along the planes' lines, or across them. */
typedef struct eq_side {
    int32_t in, out, size, stride, dilation, pad;
    int32_t in_step, out_step; /* bytes */
    int32_t tap;               /* bytes of the weights */
} eq_side;

/* One rectangle of outputs: `outputs` of a line, on `lines` lines. */
typedef struct eq_planes_part {
    eq_side line, across;
    int32_t first_line, lines, first_output, outputs;
    int8_t *output; /* the first, of channel 0 */
} eq_planes_part;

eq_side eq_side_along(const eq_depthwise_mac16 *p, bool lines);

/* How many inputs lie below n outputs. */
static inline int32_t eq_side_inputs(const eq_side *s, int32_t n) {
    return (n - 1) * s->stride + (s->size - 1) * s->dilation + 1;
}

/* Bytes of the planes. */
uint64_t eq_planes_bytes(const eq_depthwise_mac16 *p);

/* Input channels [first, last), whose planes begin at `planes`, EQ_PLANE_LINE beside each other. */
typedef void (*eq_planes_channels)(const eq_depthwise_mac16 *p, const eq_planes_part *part, int32_t first,
                                   int32_t last, const int16_t *planes, void *context);

/* Calls `channels` for every four of them, of every part of the output. */
void eq_for_planes(const eq_depthwise_mac16 *p, const int8_t *input, int8_t *output, int16_t *planes,
                   eq_planes_channels channels, void *context);

#endif
