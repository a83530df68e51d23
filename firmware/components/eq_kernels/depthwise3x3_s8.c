#include <stddef.h>

#include "eq_numerics.h"

enum { BLOCK = 8 }; /* channels whose weights are kept at hand */

/* One of the sides: how many pixels of the input and of the output lie along it, and how far apart in memory.
 */
typedef struct side {
    int32_t inputs, outputs, stride, pad;
    int32_t x_step, y_step, w_step; /* of the input, the output, the window */
} side;

/* An output channel's window, its lines along the longer side. A line of it that lies beside the input has
 * weights of zero, and what lies beside the input in a line counts as the zero point: what that adds is
 * subtracted from `start` for all of a line. */
typedef struct channel {
    int32_t weights[3][3];
    uint32_t start;
    int32_t multiplier, shift;
} channel;

typedef struct layer layer;

/* A line of outputs from three lines of the input. */
typedef void line_function(const layer *of, const channel *c, const int8_t *const x[3], int8_t *output);

struct layer {
    const eq_conv2d *conv;
    side along, across;
    line_function *line;
};

static channel channel_of(const layer *of, const int8_t *weights, const int32_t *bias, int32_t c) {
    const eq_conv2d *p = of->conv;
    channel made = {
        .start = bias ? (uint32_t)bias[c] : 0, .multiplier = p->multipliers[c], .shift = p->shifts[c]};
    for (int32_t r = 0; r < 3; r++) {
        for (int32_t k = 0; k < 3; k++) {
            int32_t weight = weights[c + r * of->across.w_step + k * of->along.w_step];
            made.weights[r][k] = weight;
            made.start -= (uint32_t)(weight * p->in_zero_point);
        }
    }
    return made;
}

/* The window without a line that lies beside the input. */
static void cut_off(channel *c, int32_t line, int32_t zero_point) {
    int32_t *weights = c->weights[line];
    c->start += (uint32_t)((weights[0] + weights[1] + weights[2]) * zero_point);
    weights[0] = weights[1] = weights[2] = 0;
}

/* Scalars, not arrays: compilers keep them in registers. `at` is the next place in each of the three lines.
 */
#define LINE_OF_OUTPUTS(of, c)                                                                               \
    const eq_output range = (of)->conv->output;                                                              \
    const int32_t zero_point = (of)->conv->in_zero_point, multiplier = (c)->multiplier, shift = (c)->shift;  \
    const int32_t step = (of)->along.x_step, y_step = (of)->along.y_step, inputs = (of)->along.inputs;       \
    const int32_t w00 = (c)->weights[0][0], w01 = (c)->weights[0][1], w02 = (c)->weights[0][2];              \
    const int32_t w10 = (c)->weights[1][0], w11 = (c)->weights[1][1], w12 = (c)->weights[1][2];              \
    const int32_t w20 = (c)->weights[2][0], w21 = (c)->weights[2][1], w22 = (c)->weights[2][2];              \
    const uint32_t start = (c)->start;                                                                       \
    int32_t u, v, w, at = -(of)->along.pad, left = (of)->along.outputs

/* The values at `at`, which may lie beside the input, as u, v, w; on to the next. */
#define NEXT_OR_ZERO()                                                                                       \
    do {                                                                                                     \
        u = v = w = zero_point;                                                                              \
        if (at >= 0 && at < inputs) u = x[0][at * step], v = x[1][at * step], w = x[2][at * step];           \
        at++;                                                                                                \
    } while (0)

/* Those at x0, x1, x2. */
#define NEXT() u = *x0, v = *x1, w = *x2, x0 += step, x1 += step, x2 += step

#define TIMES(k) ((uint32_t)(u * w0##k) + (uint32_t)(v * w1##k) + (uint32_t)(w * w2##k))

#define OUTPUT(sum)                                                                                          \
    *output = (int8_t)eq_output_s8((int32_t)(sum), multiplier, shift, &range);                               \
    output += y_step

/* How many outputs come next that read `each` values inside the input. */
static int32_t run_inside(int32_t at, int32_t inputs, int32_t left, int32_t each) {
    int32_t run = at < 0 ? 0 : (inputs - at) / each;
    return run < 0 ? 0 : run < left ? run : left;
}

/* With a stride of one: what is read counts in three outputs. */
static void line_by_one(const layer *of, const channel *c, const int8_t *const x[3], int8_t *output) {
    LINE_OF_OUTPUTS(of, c);
    NEXT_OR_ZERO();
    uint32_t sum = start + TIMES(0);
    NEXT_OR_ZERO();
    uint32_t next = start + TIMES(0);
    sum += TIMES(1);
    while (left > 0) {
        int32_t run = run_inside(at, inputs, left, 1);
        int32_t from = run ? at * step : 0;
        const int8_t *x0 = x[0] + from, *x1 = x[1] + from, *x2 = x[2] + from;
        for (at += run, left -= run; run > 0; run--) {
            NEXT();
            OUTPUT(sum + TIMES(2));
            sum = next + TIMES(1);
            next = start + TIMES(0);
        }
        if (left-- > 0) {
            NEXT_OR_ZERO();
            OUTPUT(sum + TIMES(2));
            sum = next + TIMES(1);
            next = start + TIMES(0);
        }
    }
}

/* With a stride of two: every second value counts in two outputs. */
static void line_by_two(const layer *of, const channel *c, const int8_t *const x[3], int8_t *output) {
    LINE_OF_OUTPUTS(of, c);
    NEXT_OR_ZERO();
    uint32_t sum = start + TIMES(0);
    while (left > 0) {
        int32_t run = run_inside(at, inputs, left, 2);
        int32_t from = run ? at * step : 0;
        const int8_t *x0 = x[0] + from, *x1 = x[1] + from, *x2 = x[2] + from;
        for (at += 2 * run, left -= run; run > 0; run--) {
            NEXT();
            sum += TIMES(1);
            NEXT();
            OUTPUT(sum + TIMES(2));
            sum = start + TIMES(0);
        }
        if (left-- > 0) {
            NEXT_OR_ZERO();
            sum += TIMES(1);
            NEXT_OR_ZERO();
            OUTPUT(sum + TIMES(2));
            sum = start + TIMES(0);
        }
    }
}

/* Up to BLOCK output channels, from `first` on. */
static void block(const layer *of, int32_t first, int32_t count, const int8_t *input, const int8_t *weights,
                  const int32_t *bias, int8_t *output) {
    const side *across = &of->across;
    int32_t multiplier = of->conv->out.channels / of->conv->in.channels;
    channel whole[BLOCK];
    for (int32_t c = 0; c < count; c++) whole[c] = channel_of(of, weights, bias, first + c);
    for (int32_t i = 0; i < across->outputs; i++, output += across->y_step) {
        eq_taps taps = eq_taps_inside(i, across->stride, across->pad, 3, 1, across->inputs);
        int32_t at[3] = {0};
        for (int32_t r = taps.first; r < taps.last; r++) at[r] = (taps.origin + r) * across->x_step;
        for (int32_t c = 0; c < count; c++) {
            const int8_t *x = input + (first + c) / multiplier;
            const int8_t *const lines[3] = {x + at[0], x + at[1], x + at[2]};
            if (taps.last - taps.first == 3) {
                of->line(of, whole + c, lines, output + c);
                continue;
            }
            channel part = whole[c];
            for (int32_t r = 0; r < 3; r++)
                if (r < taps.first || r >= taps.last) cut_off(&part, r, of->conv->in_zero_point);
            of->line(of, &part, lines, output + c);
        }
    }
}

void eq_depthwise3x3_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const int32_t *bias,
                        int8_t *output) {
    const eq_window *win = &p->window;
    int32_t in = p->in.channels, out = p->out.channels;
    side wide = {p->in.width, p->out.width, win->stride_w, win->pad_left, in, out, out};
    side high = {p->in.height,     p->out.height,      win->stride_h, win->pad_top,
                 p->in.width * in, p->out.width * out, 3 * out};
    bool down = high.outputs > wide.outputs;
    layer of = {p, down ? high : wide, down ? wide : high, NULL};
    of.line = of.along.stride == 1 ? line_by_one : line_by_two;
    for (int32_t c = 0; c < out; c += BLOCK)
        block(&of, c, out - c < BLOCK ? out - c : BLOCK, input, weights, bias, output + c);
}
