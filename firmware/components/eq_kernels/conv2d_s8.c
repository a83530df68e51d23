#include <stddef.h>

#include "dots_s8.h"
#include "eq_numerics.h"

enum { BLOCK = 64 }; /* output channels whose first sums are kept at hand: a multiple of EQ_DOTS_LANES */
enum { WORTH = 8 };  /* pixels from which on it pays to sum up the weights of a whole window */

/* Up to EQ_DOTS_LANES output channels. */
typedef struct channels {
    int32_t first, lanes;
    eq_lanes weights;
    const uint32_t *bias;
    const uint32_t *whole; /* the bias without what the input's zero point adds in a whole window, or NULL */
} channels;

/* What lies over the input of windows that are cut off alike: `rows` times `runs` parts of `length` values.
 */
typedef struct part {
    int32_t rows, runs, length;
    int32_t x_row, x_run; /* values of the input from row to row, and from run to run, where there are more */
    int32_t w, w_row, w_run; /* the first weight, and so on */
    bool whole;
} part;

/* Windows beside each other, or below each other. */
typedef struct line {
    const int8_t *x; /* of the first window's part */
    int8_t *output;
    int32_t count, x_step, output_step;
} line;

/* Those outputs along a side whose windows lie inside the input: [first, last). */
typedef struct span {
    int32_t first, last;
} span;

/* Rows of a window are contiguous in NHWC and OHWI alike unless the window is dilated sideways. */
static part part_of(const eq_conv2d *p, const eq_taps *rows, const eq_taps *columns) {
    const eq_window *win = &p->window;
    int32_t depth = p->in.channels, wide = columns->last - columns->first;
    int32_t high = wide ? rows->last - rows->first : 0;
    bool contiguous = win->dilation_w == 1;
    return (part){
        .rows = high,
        .runs = contiguous ? 1 : wide,
        .length = contiguous ? wide * depth : depth,
        .x_row = high > 1 ? win->dilation_h * p->in.width * depth : 0,
        .x_run = win->dilation_w * depth,
        .w = (rows->first * win->width + columns->first) * depth,
        .w_row = win->width * depth,
        .w_run = depth,
        .whole = high == win->height && wide == win->width,
    };
}

static void run_line(const eq_conv2d *p, const channels *c, const part *over, line at) {
    const eq_dots_output to = {p->multipliers + c->first, p->shifts + c->first, &p->output, at.output_step};
    bool centred = !over->whole || !c->whole;
    const uint32_t *start = centred ? c->bias : c->whole;
    while (at.count > 0) {
        int32_t pixels = at.count < EQ_DOTS_PIXELS ? at.count : EQ_DOTS_PIXELS;
        eq_dots_function *dots = eq_dots_s8[centred][pixels - 1];
        uint32_t s0 = start[0], s1 = start[1], s2 = start[2], s3 = start[3];
        eq_dots sums;
        for (int32_t i = 0; i < EQ_DOTS_PIXELS; i++)
            sums[i][0] = s0, sums[i][1] = s1, sums[i][2] = s2, sums[i][3] = s3;
        for (int32_t r = 0; r < over->rows; r++) {
            const int8_t *x = at.x + r * over->x_row;
            int32_t w = over->w + r * over->w_row;
            for (int32_t k = 0; k < over->runs; k++, x += over->x_run, w += over->w_run)
                dots(sums, x, at.x_step, c->weights, w, over->length, p->in_zero_point);
        }
        eq_dots_output_s8(&to, sums, pixels, c->lanes, at.output);
        at.x += pixels * at.x_step, at.output += pixels * at.output_step, at.count -= pixels;
    }
}

static span inside(int32_t out, int32_t stride, int32_t pad, int32_t size, int32_t dilation, int32_t in) {
    int32_t room = in - 1 - (size - 1) * dilation + pad; /* behind a window at the first pixel */
    span s = {(pad + stride - 1) / stride, room < 0 ? 0 : room / stride + 1};
    if (s.last > out) s.last = out;
    if (s.first > s.last) s.first = s.last;
    return s;
}

/* `count` outputs from (y, x) on, to the right or down, whose windows are cut off alike. */
static void outputs(const eq_conv2d *p, const channels *c, int32_t y, int32_t x, int32_t count, bool down,
                    const int8_t *input, int8_t *output) {
    const eq_window *win = &p->window;
    eq_taps rows = eq_taps_inside(y, win->stride_h, win->pad_top, win->height, win->dilation_h, p->in.height);
    eq_taps columns =
        eq_taps_inside(x, win->stride_w, win->pad_left, win->width, win->dilation_w, p->in.width);
    part over = part_of(p, &rows, &columns);
    int32_t top = rows.origin + rows.first * win->dilation_h;
    int32_t left = columns.origin + columns.first * win->dilation_w;
    line at = {
        .x = over.rows ? input + (top * p->in.width + left) * p->in.channels : input,
        .output = output + (y * p->out.width + x) * p->out.channels + c->first,
        .count = count,
        .x_step = count > 1 ? (down ? win->stride_h * p->in.width : win->stride_w) * p->in.channels : 0,
        .output_step = (down ? p->out.width : 1) * p->out.channels,
    };
    run_line(p, c, &over, at);
}

/* Up to BLOCK output channels, from `first` on. */
static void block(const eq_conv2d *p, int32_t first, int32_t count, const int8_t *input,
                  const int8_t *weights, const int32_t *bias, int8_t *output) {
    const eq_window *win = &p->window;
    int32_t kernel = win->height * win->width * p->in.channels;
    bool sum_up = p->out.height * p->out.width >= WORTH;
    uint32_t biases[BLOCK] = {0}, whole[BLOCK] = {0};
    channels of[BLOCK / EQ_DOTS_LANES];
    span rows =
        inside(p->out.height, win->stride_h, win->pad_top, win->height, win->dilation_h, p->in.height);
    span columns =
        inside(p->out.width, win->stride_w, win->pad_left, win->width, win->dilation_w, p->in.width);

    for (int32_t c = 0; c < count; c++) {
        if (bias) biases[c] = (uint32_t)bias[first + c];
        if (sum_up)
            whole[c] =
                biases[c] - (uint32_t)p->in_zero_point * eq_sum_s8(weights + (first + c) * kernel, kernel);
    }
    int32_t parts = (count + EQ_DOTS_LANES - 1) / EQ_DOTS_LANES;
    for (int32_t i = 0; i < parts; i++) {
        int32_t c = i * EQ_DOTS_LANES, lanes = count - c < EQ_DOTS_LANES ? count - c : EQ_DOTS_LANES;
        of[i] = (channels){first + c, lanes, {0}, biases + c, sum_up ? whole + c : NULL};
        for (int32_t l = 0; l < EQ_DOTS_LANES; l++)
            of[i].weights[l] = weights + (first + c + (l < lanes ? l : 0)) * kernel;
    }
    for (int32_t y = 0; y < p->out.height; y++)
        for (int32_t i = 0; i < parts; i++)
            outputs(p, of + i, y, columns.first, columns.last - columns.first, false, input, output);
    for (int32_t x = 0; x < p->out.width; x++) {
        if (x >= columns.first && x < columns.last) continue;
        for (int32_t i = 0; i < parts; i++) {
            for (int32_t y = 0; y < p->out.height; y++)
                if (y < rows.first || y >= rows.last) outputs(p, of + i, y, x, 1, true, input, output);
            outputs(p, of + i, rows.first, x, rows.last - rows.first, true, input, output);
        }
    }
}

/* A window of one pixel that leaves out none: the image may as well be one row. */
static bool is_pointwise(const eq_conv2d *p) {
    const eq_window *win = &p->window;
    return win->height == 1 && win->width == 1 && win->stride_h == 1 && win->stride_w == 1 && !win->pad_top &&
           !win->pad_left && p->in.width == p->out.width && p->in.height == p->out.height;
}

void eq_conv2d_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const int32_t *bias,
                  int8_t *output) {
    eq_conv2d conv = *p;
    if (is_pointwise(p)) {
        conv.in.width = conv.out.width = p->in.height * p->in.width;
        conv.in.height = conv.out.height = 1;
    }
    for (int32_t c = 0; c < p->out.channels; c += BLOCK)
        block(&conv, c, p->out.channels - c < BLOCK ? p->out.channels - c : BLOCK, input, weights, bias,
              output);
}
