#include "depthwise_planes.h"

#if defined(EQ_MAC16)
#define TAKE_APART eq_planes_s16_lx6
#else
#define TAKE_APART eq_planes_s16
#endif

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

eq_side eq_side_along(const eq_depthwise_mac16 *p, bool lines) {
    const eq_window *win = &p->window;
    int32_t in = p->in.channels, out = p->out.channels;
    if (lines != p->turned)
        return (eq_side){p->in.width, p->out.width, win->width, win->stride_w, win->dilation_w, win->pad_left,
                         in,          out,          out};
    return (eq_side){p->in.height, p->out.height,    win->height,        win->stride_h,   win->dilation_h,
                     win->pad_top, p->in.width * in, p->out.width * out, win->width * out};
}

uint64_t eq_planes_bytes(const eq_depthwise_mac16 *p) {
    eq_side across = eq_side_along(p, false);
    return (uint64_t)eq_side_inputs(&across, p->lines) * EQ_PLANES_LINE * sizeof(int16_t);
}

/* Where the inputs of n outputs from `first` begin, and which of them lie inside the input: [*from, *to). */
static int32_t inside(const eq_side *s, int32_t first, int32_t n, int32_t *from, int32_t *to) {
    int32_t begin = first * s->stride - s->pad, end = begin + eq_side_inputs(s, n);
    *from = begin < 0 ? smaller(-begin, end - begin) : 0;
    *to = (end > s->in ? (s->in > begin ? s->in - begin : 0) : end - begin);
    if (*to < *from) *to = *from;
    return begin;
}

/* The channels from `channel` on, four at most; what lies beside the input keeps the value that it has. */
static void take_apart(const eq_depthwise_mac16 *p, const eq_planes_part *part, int32_t channel,
                       const int8_t *input, int16_t *planes) {
    const eq_side *line = &part->line, *across = &part->across;
    int32_t first, last, top, bottom;
    int32_t x = inside(line, part->first_output, part->outputs, &first, &last);
    int32_t y = inside(across, part->first_line, part->lines, &top, &bottom);
    if (first == last || top == bottom) return;
    const int8_t *from = input + (y + top) * across->in_step + (x + first) * line->in_step + channel;
    int16_t *to = planes + top * EQ_PLANES_LINE + first;
    int32_t channels = smaller(p->in.channels - channel, EQ_PLANES);
    if (channels == EQ_PLANES && p->in.channels % 4 == 0 && (uintptr_t)input % 4 == 0) {
        eq_planes planes_of = {from,         line->in_step, across->in_step, to,
                               bottom - top, last - first,  0x80808080u};
        TAKE_APART(&planes_of);
        return;
    }
    for (int32_t i = top; i < bottom; i++, from += across->in_step, to += EQ_PLANES_LINE)
        for (int32_t j = 0; j < last - first; j++)
            for (int32_t q = 0; q < channels; q++)
                to[q * EQ_PLANE_LINE + j] = (int16_t)(from[j * line->in_step + q] + 128);
}

/* What padding is worth, everywhere. */
static void fill(const eq_depthwise_mac16 *p, const eq_planes_part *part, int16_t *planes) {
    int32_t lines = eq_side_inputs(&part->across, part->lines),
            inputs = eq_side_inputs(&part->line, part->outputs);
    int16_t beside = (int16_t)(p->in_zero_point + 128);
    for (int32_t i = 0; i < lines * EQ_PLANES; i++, planes += EQ_PLANE_LINE)
        for (int32_t j = 0; j < inputs; j++) planes[j] = beside;
}

void eq_for_planes(const eq_depthwise_mac16 *p, const int8_t *input, int8_t *output, int16_t *planes,
                   eq_planes_channels channels, void *context) {
    eq_planes_part part = {.line = eq_side_along(p, true), .across = eq_side_along(p, false)};
    const eq_side *line = &part.line, *across = &part.across;
    int32_t outputs = (EQ_PLANE_INPUTS - eq_side_inputs(line, 1)) / line->stride + 1;
    for (part.first_line = 0; part.first_line < across->out; part.first_line += p->lines)
        for (part.first_output = 0; part.first_output < line->out; part.first_output += outputs) {
            part.lines = smaller(across->out - part.first_line, p->lines);
            part.outputs = smaller(line->out - part.first_output, outputs);
            part.output = output + part.first_line * across->out_step + part.first_output * line->out_step;
            fill(p, &part, planes);
            for (int32_t channel = 0; channel < p->in.channels; channel += EQ_PLANES) {
                take_apart(p, &part, channel, input, planes);
                channels(p, &part, channel, smaller(p->in.channels, channel + EQ_PLANES), planes, context);
            }
        }
}
