#include "eq_numerics.h"

/* `depth` channels of each input pixel, from the one that `input` points to. */
static int32_t accumulate(const eq_conv2d *p, int32_t depth, const int8_t *input, const int8_t *weights,
                          const eq_taps *rows, const eq_taps *columns, int32_t bias) {
    const eq_window *win = &p->window;
    uint32_t acc = (uint32_t)bias;
    for (int32_t r = rows->first; r < rows->last; r++) {
        const int8_t *line = input + (rows->origin + r * win->dilation_h) * p->in.width * p->in.channels;
        const int8_t *taps = weights + r * win->width * depth;
        for (int32_t c = columns->first; c < columns->last; c++)
            acc = eq_dot_s8(acc, line + (columns->origin + c * win->dilation_w) * p->in.channels,
                            taps + c * depth, depth, p->in_zero_point);
    }
    return (int32_t)acc;
}

void eq_grouped_conv2d_s8(const eq_conv2d *p, int32_t groups, const int8_t *input, const int8_t *weights,
                          const int32_t *bias, int8_t *output) {
    const eq_window *win = &p->window;
    int32_t depth = p->in.channels / groups, kernel = win->height * win->width * depth;
    int32_t together = p->out.channels / groups;
    for (int32_t y = 0; y < p->out.height; y++) {
        eq_taps rows =
            eq_taps_inside(y, win->stride_h, win->pad_top, win->height, win->dilation_h, p->in.height);
        for (int32_t x = 0; x < p->out.width; x++) {
            eq_taps columns =
                eq_taps_inside(x, win->stride_w, win->pad_left, win->width, win->dilation_w, p->in.width);
            for (int32_t c = 0; c < p->out.channels; c++) {
                int32_t acc = accumulate(p, depth, input + c / together * depth, weights + c * kernel, &rows,
                                         &columns, bias ? bias[c] : 0);
                *output++ = eq_output_s8(acc, p->multipliers[c], p->shifts[c], &p->output);
            }
        }
    }
}
