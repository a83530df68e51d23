#include "eq_numerics.h"

static int32_t accumulate(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const eq_taps *rows,
                          const eq_taps *columns, int32_t bias) {
    const eq_window *win = &p->window;
    uint32_t acc = (uint32_t)bias;
    for (int32_t r = rows->first; r < rows->last; r++) {
        const int8_t *line = input + (rows->origin + r * win->dilation_h) * p->in.width * p->in.channels;
        const int8_t *taps = weights + r * win->width * p->out.channels;
        for (int32_t c = columns->first; c < columns->last; c++) {
            int32_t x = line[(columns->origin + c * win->dilation_w) * p->in.channels] - p->in_zero_point;
            acc += (uint32_t)(taps[c * p->out.channels] * x);
        }
    }
    return (int32_t)acc;
}

void eq_depthwise_conv2d_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights,
                            const int32_t *bias, int8_t *output) {
    const eq_window *win = &p->window;
    int32_t multiplier = p->out.channels / p->in.channels;
    for (int32_t y = 0; y < p->out.height; y++) {
        eq_taps rows =
            eq_taps_inside(y, win->stride_h, win->pad_top, win->height, win->dilation_h, p->in.height);
        for (int32_t x = 0; x < p->out.width; x++) {
            eq_taps columns =
                eq_taps_inside(x, win->stride_w, win->pad_left, win->width, win->dilation_w, p->in.width);
            for (int32_t c = 0; c < p->out.channels; c++) {
                int32_t acc =
                    accumulate(p, input + c / multiplier, weights + c, &rows, &columns, bias ? bias[c] : 0);
                *output++ = eq_output_s8(acc, p->multipliers[c], p->shifts[c], &p->output);
            }
        }
    }
}
