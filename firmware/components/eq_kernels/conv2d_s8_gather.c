/* conv2d_s8 on gathered windows, for cores that multiply int16 fast: the windows of some pixels of the output
 * lie in the scratch as int16, one behind the other; each output channel's weights are widened once and run
 * over all of them. The bytes are those of conv2d_s8. */
#include <stdbool.h>
#include <string.h>

#include "gather.h"

enum {
    WEIGHTS_SLACK =
        6, /* halfwords around the weights: one, and the first three again, and two that are written */
    WINDOWS_SLACK = 4 /* halfwords behind the windows, which are read */
};

/* The shape of what lies in the scratch, in halfwords. */
typedef struct tiling {
    uint64_t values;       /* of a window */
    uint64_t filled;       /* the same as a multiple of four */
    uint64_t columns;      /* pixels of the input below the windows of one row */
    uint64_t line;         /* from one widened line to the next */
    uint64_t lines_in_all; /* all lines, none if windows are gathered from the input itself */
} tiling;

/* Channels in fours keep their fours in every window: those are widened straight from the input. */
static bool is_direct(const eq_conv2d_gather *p) {
    return p->in.channels % 4 == 0;
}

static tiling tiling_of(const eq_conv2d_gather *p) {
    const eq_window *win = &p->window;
    uint64_t row = (uint64_t)win->width * (uint32_t)p->in.channels;
    uint64_t pixels = (uint32_t)(p->pixels < p->out.width ? p->pixels : p->out.width);
    tiling t;
    t.values = (uint32_t)win->height * row;
    t.filled = (t.values + 3) / 4 * 4;
    t.columns =
        (pixels - 1) * (uint32_t)win->stride_w + (uint64_t)(win->width - 1) * (uint32_t)win->dilation_w + 1;
    t.line = t.columns * (uint32_t)p->in.channels;
    t.line +=
        (t.line ^ row) & 1; /* lies in its word as a row of a window does, so that words can be copied */
    t.lines_in_all = is_direct(p) ? 0 : ((uint32_t)win->height * t.line + 1) / 2 * 2;
    return t;
}

uint64_t eq_conv2d_s8_gather_scratch(const eq_conv2d_gather *p) {
    tiling t = tiling_of(p);
    return 2 * (t.filled + WEIGHTS_SLACK + t.lines_in_all + (uint32_t)p->pixels * t.filled + WINDOWS_SLACK);
}

/* The window at that pixel of the input, tap by tap, for it may reach into the padding. */
static int16_t *widen_taps(const eq_conv2d_gather *p, const int8_t *input, int32_t row, int32_t column,
                           int16_t *to) {
    const eq_window *win = &p->window;
    int32_t channels = p->in.channels;
    for (int32_t r = 0; r < win->height; r++) {
        int32_t y = row + r * win->dilation_h;
        for (int32_t c = 0; c < win->width; c++, to += channels) {
            int32_t x = column + c * win->dilation_w;
            if (eq_is_inside(y, y, p->in.height) && eq_is_inside(x, x, p->in.width))
                EQ_FAST(eq_widen_runs)(input + (y * p->in.width + x) * channels, 1, 0, channels / 4, to);
            else
                eq_fill(to, channels, p->in_zero_point + 128);
        }
    }
    return to;
}

/* The windows of `count` pixels of a row of the output, whose first begins at that pixel of the input. */
static void gather_direct(const eq_conv2d_gather *p, const int8_t *input, int32_t row, int32_t column,
                          int32_t count, int16_t *to) {
    const eq_window *win = &p->window;
    int32_t channels = p->in.channels, pitch = p->in.width * channels;
    int32_t last_row = row + (win->height - 1) * win->dilation_h, width = (win->width - 1) * win->dilation_w;
    bool rows_inside = eq_is_inside(row, last_row, p->in.height);
    if (win->height == 1 && win->width == 1 && rows_inside &&
        eq_is_inside(column, column + (count - 1) * win->stride_w, p->in.width)) {
        const int8_t *from = input + row * pitch + column * channels;
        if (win->stride_w == 1)
            EQ_FAST(eq_widen_runs)(from, 1, 0, count * channels / 4, to);
        else
            EQ_FAST(eq_widen_runs)(from, count, win->stride_w * channels, channels / 4, to);
        return;
    }
    for (int32_t i = 0; i < count; i++, column += win->stride_w) {
        if (!rows_inside || win->dilation_w > 1 || !eq_is_inside(column, column + width, p->in.width)) {
            to = widen_taps(p, input, row, column, to);
        } else {
            EQ_FAST(eq_widen_runs)(input + row * pitch + column * channels, win->height,
                                   win->dilation_h * pitch, win->width * channels / 4, to);
            to += win->height * win->width * channels;
        }
    }
}

/* A line: `columns` pixels of a row of the padded input. */
static void widen_padded(const eq_conv2d_gather *p, const int8_t *input, int32_t row, int32_t column,
                         int32_t columns, int16_t *to) {
    int32_t channels = p->in.channels, pad = p->in_zero_point + 128;
    int32_t first = column < 0 ? -column : 0;
    int32_t last = p->in.width - column < columns ? p->in.width - column : columns;
    if (!eq_is_inside(row, row, p->in.height) || first >= last) {
        eq_fill(to, columns * channels, pad);
        return;
    }
    to = eq_fill(to, first * channels, pad);
    EQ_FAST(eq_widen_line)(input + (row * p->in.width + column + first) * channels, (last - first) * channels,
                           to);
    eq_fill(to + (last - first) * channels, (columns - last) * channels, pad);
}

/* As gather_direct, by way of lines. */
static void gather_lines(const eq_conv2d_gather *p, const tiling *t, const int8_t *input, int32_t row,
                         int32_t column, int32_t count, int16_t *lines, int16_t *to) {
    const eq_window *win = &p->window;
    int32_t channels = p->in.channels, line = (int32_t)t->line, values = (int32_t)t->values;
    int32_t columns = (count - 1) * win->stride_w + (win->width - 1) * win->dilation_w + 1;
    for (int32_t r = 0; r < win->height; r++)
        widen_padded(p, input, row + r * win->dilation_h, column, columns, lines + r * line);
    for (int32_t i = 0; i < count; i++, lines += win->stride_w * channels, to += t->filled) {
        if (win->dilation_w == 1)
            EQ_FAST(eq_copy_runs)(lines, win->height, 2 * line, win->width * channels, to);
        else
            for (int32_t r = 0; r < win->height; r++)
                EQ_FAST(eq_copy_runs)(lines + r * line, win->width, 2 * win->dilation_w * channels, channels,
                                      to + r * win->width * channels);
        eq_fill(to + values, (int32_t)t->filled - values, 0);
    }
}

void eq_conv2d_s8_gather(const eq_conv2d_gather *p, const int8_t *input, const int8_t *weights,
                         int8_t *output, void *scratch) {
    const eq_window *win = &p->window;
    tiling t = tiling_of(p);
    int32_t values = (int32_t)t.values, width = p->out.width, all = p->out.height * width;
    int16_t *wide = (int16_t *)scratch + 1, *lines = (int16_t *)scratch + t.filled + WEIGHTS_SLACK;
    int16_t *windows = lines + t.lines_in_all;
    eq_dots dots = {.x = windows,
                    .weights = wide,
                    .quads = (int32_t)(t.filled / 4),
                    .natural = !is_direct(p),
                    .stride = p->out.channels,
                    .min = p->min,
                    .max = p->max};
    for (int32_t first = 0; first < all; first += p->pixels) {
        int32_t last = all - first < p->pixels ? all : first + p->pixels;
        int16_t *to = windows;
        for (int32_t pixel = first, count; pixel < last; pixel += count, to += (uint32_t)count * t.filled) {
            int32_t x = pixel % width, row = pixel / width * win->stride_h - win->pad_top;
            int32_t column = x * win->stride_w - win->pad_left;
            count = last - pixel < width - x ? last - pixel : width - x;
            if (is_direct(p))
                gather_direct(p, input, row, column, count, to);
            else
                gather_lines(p, &t, input, row, column, count, lines, to);
        }
        dots.pixels = last - first;
        for (int32_t c = 0; c < p->out.channels; c++) {
            if (is_direct(p))
                eq_widen_channel(weights + c * values, values, p->weight_shift, wide);
            else
                eq_widen_channel_natural(weights, c, p->out.channels, values, p->weight_shift, wide);
            EQ_FAST(eq_dots_s16)(&dots, &p->channels[c], output + first * p->out.channels + c);
        }
    }
}
