/* depthwise_conv2d_s8 on int16 planes in scratch, for cores that multiply int16 fast. A row of a window is a
 * run of words of its plane: where a window begins in the middle of a word, its weights stand one further
 * back. The bytes are those of depthwise_conv2d_s8. */
#include <string.h>

#include "depthwise_planes.h"
#include "gather.h"

enum {
    AGAIN = 3,      /* halfwords behind the weights: the first again */
    AROUND = 1 + 3, /* those, and one in front of the weights, which begin in the second half of a word */
    SLACK = 8       /* halfwords behind the planes, which are read and multiplied by zero */
};

/* The weights of windows that begin at an even place of a line, and at an odd one. */
typedef struct spread {
    int16_t *weights;
    int32_t quads; /* of a row */
} spread;

/* Two where windows begin at odd places too. */
static int32_t phases(const eq_side *line) {
    return 1 + line->stride % 2;
}

static int32_t quads(const eq_side *line, int32_t phase) {
    return (eq_side_inputs(line, 1) + phase + 3) / 4;
}

/* Halfwords. */
static int32_t spread_size(const eq_side *line, const eq_side *across, int32_t phase) {
    return across->size * 4 * quads(line, phase) + AROUND;
}

static int32_t weights_size(const eq_side *line, const eq_side *across) {
    int32_t size = 0;
    for (int32_t phase = 0; phase < phases(line); phase++) size += spread_size(line, across, phase);
    return size;
}

uint64_t eq_depthwise_s8_mac16_scratch(const eq_depthwise_mac16 *p) {
    eq_side line = eq_side_along(p, true), across = eq_side_along(p, false);
    int32_t next = phases(&line) * line.stride; /* to the window behind the last, which is read, too */
    uint64_t values = (uint32_t)(weights_size(&line, &across) + next + SLACK);
    return eq_planes_bytes(p) + sizeof(int16_t) * values;
}

/* One output channel's weights where the dots want them; what lies between is zero before and stays so. */
static void lay_out(const eq_depthwise_mac16 *p, const eq_planes_part *part, const int8_t *weights,
                    int32_t phase, const spread *to) {
    const eq_side *line = &part->line;
    int32_t row = 4 * to->quads;
    for (int32_t r = 0; r < part->across.size; r++, weights += part->across.tap) {
        const int8_t *from = weights;
        int16_t *at = to->weights + r * row + phase;
        for (int32_t c = 0; c < line->size; c++, from += line->tap, at += line->dilation)
            *at = (int16_t)(*from * (1 << p->weight_shift));
    }
    memcpy(to->weights + part->across.size * row, to->weights, AGAIN * sizeof(int16_t));
}

/* All windows of one channel that begin at even places, or at odd ones. */
static void filter_phase(const eq_depthwise_mac16 *p, const eq_planes_part *part, int32_t phase,
                         const spread *wide, const int16_t *plane, int32_t channel) {
    const eq_side *line = &part->line, *across = &part->across;
    int32_t apart = phases(line);
    eq_line_dots dots = {
        .x = plane + phase * (line->stride - 1),
        .weights = wide->weights,
        .quads = wide->quads,
        .rows = across->size,
        .pitch = across->dilation * EQ_PLANES_LINE * (int32_t)sizeof(int16_t),
        .step = apart * line->stride * (int32_t)sizeof(int16_t),
        .pixels = (part->outputs - phase + apart - 1) / apart,
        .stride = apart * line->out_step,
        .min = p->min,
        .max = p->max,
    };
    if (!dots.pixels) return;
    int8_t *output = part->output + phase * line->out_step + channel;
    for (int32_t i = 0; i < part->lines;
         i++, output += across->out_step, dots.x += across->stride * EQ_PLANES_LINE)
        EQ_FAST(eq_line_dots_s16)(&dots, &p->channels[channel], output);
}

/* What the channels of a part are made with. */
typedef struct filter {
    const int8_t *weights;
    spread wide[2];
} filter;

static void filter_channels(const eq_depthwise_mac16 *p, const eq_planes_part *part, int32_t first,
                            int32_t last, const int16_t *planes, void *context) {
    const filter *f = context;
    int32_t multiplier = p->out.channels / p->in.channels;
    for (int32_t c = first, m = first * multiplier; c < last; c++, planes += EQ_PLANE_LINE)
        for (int32_t i = 0; i < multiplier; i++, m++)
            for (int32_t phase = 0; phase < phases(&part->line); phase++) {
                lay_out(p, part, f->weights + m, phase, &f->wide[phase]);
                filter_phase(p, part, phase, &f->wide[phase], planes, m);
            }
}

void eq_depthwise_s8_mac16(const eq_depthwise_mac16 *p, const int8_t *input, const int8_t *weights,
                           int8_t *output, void *scratch) {
    eq_side line = eq_side_along(p, true), across = eq_side_along(p, false);
    int16_t *wide = scratch;
    int32_t size = weights_size(&line, &across);
    memset(wide, 0, (size_t)size * sizeof *wide);
    filter f = {
        weights,
        {{wide + 1, quads(&line, 0)}, {wide + 1 + spread_size(&line, &across, 0), quads(&line, 1)}},
    };
    eq_for_planes(p, input, output, wide + size, filter_channels, &f);
}
