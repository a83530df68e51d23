/* depthwise_conv2d_s8 for a window of 3x3 on int16 planes in scratch, for cores that multiply int16 fast. The
 * bytes are those of depthwise_conv2d_s8. */
#include "depthwise_planes.h"

#if defined(EQ_MAC16)
#define FILTER eq_plane3x3_s16_lx6
#else
#define FILTER eq_plane3x3_s16
#endif

uint64_t eq_depthwise3x3_s8_mac16_scratch(const eq_depthwise_mac16 *p) {
    return eq_planes_bytes(p);
}

static void filter_channels(const eq_depthwise_mac16 *p, const eq_planes_part *part, int32_t first,
                            int32_t last, const int16_t *planes, void *context) {
    const int8_t *weights = context;
    int32_t multiplier = p->out.channels / p->in.channels;
    eq_plane3x3 filter = {
        .lines = part->lines,
        .outputs = part->outputs,
        .output_step = part->line.out_step,
        .output_line = part->across.out_step,
        .line_step = part->across.stride * EQ_PLANES_LINE * (int32_t)sizeof(int16_t),
        .stride = part->line.stride,
        .min = p->min,
        .max = p->max,
        .tap = part->line.tap,
        .row = part->across.tap - 2 * part->line.tap,
    };
    for (int32_t c = first, m = first * multiplier; c < last; c++, planes += EQ_PLANE_LINE)
        for (int32_t i = 0; i < multiplier; i++, m++)
            FILTER(&filter, &p->channels[m], planes, part->output + m, weights + m);
}

void eq_depthwise3x3_s8_mac16(const eq_depthwise_mac16 *p, const int8_t *input, const int8_t *weights,
                              int8_t *output, void *scratch) {
    eq_for_planes(p, input, output, scratch, filter_channels, (void *)(uintptr_t)weights);
}
