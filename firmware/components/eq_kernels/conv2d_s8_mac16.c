/* conv2d_s8 on int16 copies in scratch, for cores that multiply int16 fast. Rows of the input are widened
 * once for each block of output channels, without their zero point, so that padding is zero; the weights of a
 * block are widened once. The bytes are those of conv2d_s8. */
#include <stdbool.h>
#include <string.h>

#include "conv_row_s16.h"
#include "eq_numerics.h"

#if defined(EQ_MAC16)
#define ROW eq_conv_row_s16_lx6
#else
#define ROW eq_conv_row_s16
#endif

enum { SLACK = 4 }; /* halfwords that a row function may read beyond an end */

/* The shape of the copies. */
typedef struct tiling {
    int32_t depth;    /* channels of a pixel, filled up */
    int32_t segments; /* runs of a window: its rows, or its taps where it is dilated sideways */
    int32_t run;      /* halfwords of a segment, filled up to four */
    int32_t run_taps; /* taps of the window in one segment */
    int32_t line;     /* halfwords of a widened row, slack included */
    int32_t lines;    /* rows that a window spans */
    int32_t columns;  /* pixels of a widened row */
} tiling;

static int32_t rounded(int32_t n, int32_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

static tiling tiling_of(const eq_conv2d *p) {
    const eq_window *win = &p->window;
    bool dilated = win->dilation_w > 1;
    tiling t;
    t.depth = rounded(p->in.channels, dilated ? 4 : 2);
    t.segments = dilated ? win->height * win->width : win->height;
    t.run_taps = dilated ? 1 : win->width;
    t.run = rounded(t.run_taps * t.depth, 4);
    t.columns = (p->out.width - 1) * win->stride_w + (win->width - 1) * win->dilation_w + 1;
    t.line = rounded(t.columns * t.depth + SLACK, 2) + SLACK;
    t.lines = (win->height - 1) * win->dilation_h + 1;
    return t;
}

uint64_t eq_conv2d_s8_mac16_scratch(const eq_conv2d *p, int32_t block) {
    tiling t = tiling_of(p);
    uint64_t lines = (uint64_t)t.lines * (uint32_t)t.line;
    uint64_t weights = (uint64_t)block * (uint32_t)t.segments * (uint32_t)t.run + 2 * SLACK;
    return (uint64_t)block * sizeof(eq_row_channel) + 2 * (lines + weights);
}

/* n values as int16, `zero` less. Four at a time from one load where they lie on a 4-byte boundary. */
static const int8_t *widen(const int8_t *from, int32_t n, int32_t zero, int16_t *to) {
    if ((uintptr_t)from % 4 == 0)
        for (; n >= 4; n -= 4, from += 4, to += 4) {
            int32_t four;
            memcpy(&four, __builtin_assume_aligned(from, 4), 4);
            to[0] = (int16_t)((int8_t)four - zero);
            to[1] = (int16_t)((int8_t)(four >> 8) - zero);
            to[2] = (int16_t)((int8_t)(four >> 16) - zero);
            to[3] = (int16_t)((four >> 24) - zero);
        }
    for (; n > 0; n--) *to++ = (int16_t)(*from++ - zero);
    return from;
}

static void widen_weights(const eq_conv2d *p, const tiling *t, const int8_t *weights, int32_t channels,
                          int16_t *to) {
    int32_t taps = t->run_taps, depth = p->in.channels;
    if (t->depth == depth) { /* a segment's taps follow each other here as there */
        depth *= taps;
        taps = 1;
    }
    for (int32_t s = 0; s < channels * t->segments; s++) {
        int16_t *end = to + t->run;
        for (int32_t tap = 0; tap < taps; tap++) {
            weights = widen(weights, depth, 0, to);
            to += depth;
            for (int32_t i = depth; i < t->depth; i++) *to++ = 0; /* channels that fill up a pixel */
        }
        while (to < end) *to++ = 0;
    }
    for (int32_t i = 0; i < SLACK; i++) to[i] = 0;
}

/* Row y of the padded input: zero where it lies in the padding. */
static void widen_row(const eq_conv2d *p, const tiling *t, const int8_t *input, int32_t y, int16_t *to) {
    const eq_window *win = &p->window;
    int32_t row = y - win->pad_top, zero = p->in_zero_point, channels = p->in.channels;
    for (int32_t i = 0; i < t->line; i++) to[i] = 0;
    if (row < 0 || row >= p->in.height) return;
    int32_t first = win->pad_left < t->columns ? win->pad_left : t->columns;
    int32_t last = t->columns - win->pad_left < p->in.width ? t->columns : win->pad_left + p->in.width;
    const int8_t *x = input + row * p->in.width * channels;
    to += first * t->depth;
    if (t->depth == channels) {
        if (first < last) widen(x, (last - first) * channels, zero, to);
        return;
    }
    for (int32_t column = first; column < last; column++, to += t->depth) x = widen(x, channels, zero, to);
}

static void fill_channels(const eq_conv2d *p, const int32_t *bias, int32_t first, int32_t count,
                          eq_row_channel *to) {
    for (int32_t i = 0; i < count; i++) {
        int32_t shift = -p->shifts[first + i];
        int32_t half = shift ? (int32_t)(1u << (shift - 1)) : 0;
        to[i] = (eq_row_channel){bias ? bias[first + i] : 0, p->multipliers[first + i], half, shift};
    }
}

void eq_conv2d_s8_mac16(const eq_conv2d *p, int32_t block, const int8_t *input, const int8_t *weights,
                        const int32_t *bias, int8_t *output, void *scratch) {
    const eq_window *win = &p->window;
    tiling t = tiling_of(p);
    eq_row_channel *table = scratch;
    int16_t *lines = (int16_t *)(void *)(table + block);
    int16_t *wide = lines + t.lines * t.line;
    int32_t taps = win->height * win->width * p->in.channels;
    for (int32_t first = 0; first < p->out.channels; first += block) {
        int32_t count = p->out.channels - first < block ? p->out.channels - first : block;
        widen_weights(p, &t, weights + first * taps, count, wide);
        fill_channels(p, bias, first, count, table);
        int32_t ready = 0; /* rows of the padded input that have been widened, or passed over */
        for (int32_t y = 0; y < p->out.height; y++) {
            int32_t top = y * win->stride_h;
            if (ready < top) ready = top;
            for (; ready < top + t.lines; ready++)
                widen_row(p, &t, input, ready, lines + ready % t.lines * t.line);
            eq_row row = {
                .pixels = p->out.width,
                .channels = count,
                .step = win->stride_w * t.depth * 2,
                .output_stride = p->out.channels,
                .groups = t.run / 4,
                .segments = t.segments,
                .weights = wide,
                .channel = table,
                .output = output + y * p->out.width * p->out.channels + first,
                .zero_point = p->output.zero_point,
                .min = p->output.min,
                .max = p->output.max,
            };
            for (int32_t s = 0; s < t.segments; s++) {
                int32_t r = t.run_taps == 1 && win->dilation_w > 1 ? s / win->width : s;
                int32_t c = t.run_taps == 1 && win->dilation_w > 1 ? s % win->width : 0;
                int32_t line = (top + r * win->dilation_h) % t.lines;
                row.segment[s] = lines + line * t.line + c * win->dilation_w * t.depth;
            }
            ROW(&row);
        }
    }
}
