/* depthwise_conv2d_s8 for a window of 3x3 on int16 planes in scratch, for cores that multiply int16 fast.
 * Four channels at a time are taken apart into planes; a channel's outputs then come from its plane alone.
 * The bytes are those of depthwise_conv2d_s8. */
#include <stdbool.h>

#include "eq_numerics.h"
#include "planes_s16.h"

#if defined(EQ_MAC16)
#define TAKE_APART eq_planes_s16_lx6
#define FILTER eq_plane3x3_s16_lx6
#else
#define TAKE_APART eq_planes_s16
#define FILTER eq_plane3x3_s16
#endif

enum {
    LINE_MOST = EQ_PLANE_LINE - 3
}; /* inputs of a line; a pair of outputs reads up to one beyond its window */

/* The plane's side: lines run along the input's rows or, turned, along its columns. */
typedef struct side {
    int32_t in, out, stride, pad; /* along it */
    int32_t in_step, out_step;    /* bytes */
} side;

/* One rectangle of outputs: `outputs` along the line from `first_output`, on `lines` lines from `first_line`.
 */
typedef struct part {
    int32_t first_line, lines, first_output, outputs;
} part;

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static int32_t input_lines(int32_t lines, int32_t stride) {
    return (lines - 1) * stride + 3;
}

uint64_t eq_depthwise3x3_s8_mac16_scratch(const eq_conv2d *p, int32_t lines, bool turned) {
    int32_t stride = turned ? p->window.stride_w : p->window.stride_h;
    return (uint64_t)input_lines(lines, stride) * EQ_PLANES_LINE * sizeof(int16_t);
}

static side along(const eq_conv2d *p, bool rows) {
    const eq_window *win = &p->window;
    if (rows)
        return (side){p->in.width,   p->out.width,   win->stride_w,
                      win->pad_left, p->in.channels, p->out.channels};
    return (side){p->in.height,
                  p->out.height,
                  win->stride_h,
                  win->pad_top,
                  p->in.width * p->in.channels,
                  p->out.width * p->out.channels};
}

/* Where the inputs of n outputs from `first` begin, and which of them lie inside the input: [*from, *to). */
static int32_t inside(const side *s, int32_t first, int32_t n, int32_t *from, int32_t *to) {
    int32_t begin = first * s->stride - s->pad, end = begin + input_lines(n, s->stride);
    *from = begin < 0 ? smaller(-begin, end - begin) : 0;
    *to = (end > s->in ? (s->in > begin ? s->in - begin : 0) : end - begin);
    if (*to < *from) *to = *from;
    return begin;
}

/* The channels from `channel` on, four at most; what lies beside the input keeps the value that it has. */
static void take_apart(const eq_conv2d *p, const side *line, const side *across, const part *at,
                       int32_t channel, const int8_t *input, int16_t *planes) {
    int32_t first, last, top, bottom;
    int32_t x = inside(line, at->first_output, at->outputs, &first, &last);
    int32_t y = inside(across, at->first_line, at->lines, &top, &bottom);
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

/* kernels.md#requantisation: what turns 4 * sum into an output. */
static void fill_channel(const eq_conv2d *p, const int8_t *weights, const int32_t *bias, int32_t channel,
                         bool turned, eq_plane3x3 *to) {
    int32_t sum = 0;
    for (int32_t tap = 0; tap < 9; tap++) {
        int32_t from = turned ? tap % 3 * 3 + tap / 3 : tap;
        int32_t weight = weights[from * p->out.channels + channel];
        sum += weight;
        to->weights[tap] = (int16_t)(4 * weight);
    }
    to->weights[9] = 0;
    int32_t shift = -p->shifts[channel];
    uint32_t centred = (uint32_t)(bias ? bias[channel] : 0) - (uint32_t)((p->in_zero_point + 128) * sum);
    to->bias = (int32_t)(centred * 4u);
    to->multiplier = p->multipliers[channel];
    to->shift = shift + 1;
    to->offset = 1 + (shift ? 1 << shift : 0) + p->output.zero_point * (1 << (shift + 1));
    to->sign = shift != 0 && p->output.min < p->output.zero_point;
    to->min = p->output.min;
    to->max = p->output.max;
}

static void run_part(const eq_conv2d *p, bool turned, const part *at, const int8_t *input,
                     const int8_t *weights, const int32_t *bias, int8_t *output, int16_t *planes) {
    side line = along(p, !turned), across = along(p, turned);
    int32_t multiplier = p->out.channels / p->in.channels;
    int32_t beside = p->in_zero_point + 128;
    for (int32_t i = 0; i < input_lines(at->lines, across.stride) * EQ_PLANES_LINE; i++)
        planes[i] = (int16_t)beside;
    output += at->first_line * across.out_step + at->first_output * line.out_step;
    for (int32_t channel = 0; channel < p->in.channels; channel++) {
        int32_t q = channel % EQ_PLANES;
        if (q == 0) take_apart(p, &line, &across, at, channel, input, planes);
        for (int32_t m = channel * multiplier; m < (channel + 1) * multiplier; m++) {
            eq_plane3x3 filter = {
                .line = planes + q * EQ_PLANE_LINE,
                .output = output + m,
                .lines = at->lines,
                .outputs = at->outputs,
                .output_step = line.out_step,
                .output_line = across.out_step,
                .line_step = across.stride * EQ_PLANES_LINE * (int32_t)sizeof(int16_t),
                .stride = line.stride,
            };
            fill_channel(p, weights, bias, m, turned, &filter);
            FILTER(&filter);
        }
    }
}

void eq_depthwise3x3_s8_mac16(const eq_conv2d *p, int32_t lines, bool turned, const int8_t *input,
                              const int8_t *weights, const int32_t *bias, int8_t *output, void *scratch) {
    side line = along(p, !turned), across = along(p, turned);
    int32_t outputs = (LINE_MOST - 3) / line.stride + 1;
    for (int32_t y = 0; y < across.out; y += lines)
        for (int32_t x = 0; x < line.out; x += outputs) {
            part at = {y, smaller(across.out - y, lines), x, smaller(line.out - x, outputs)};
            run_part(p, turned, &at, input, weights, bias, output, scratch);
        }
}
