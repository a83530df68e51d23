#include "eq_numerics.h"

/* One output value. Rows of a window are contiguous in NHWC and OHWI alike unless the window is dilated
 * sideways. */
static int32_t accumulate(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const eq_taps *rows,
                          const eq_taps *columns, int32_t bias) {
    const eq_window *win = &p->window;
    int32_t channels = p->in.channels;
    uint32_t acc = (uint32_t)bias;
    if (columns->first == columns->last) return bias; /* the window lies beside the input */
    for (int32_t r = rows->first; r < rows->last; r++) {
        const int8_t *line = input + (rows->origin + r * win->dilation_h) * p->in.width * channels;
        const int8_t *taps = weights + r * win->width * channels;
        if (win->dilation_w == 1) {
            acc = eq_dot_s8(acc, line + (columns->origin + columns->first) * channels,
                            taps + columns->first * channels, (columns->last - columns->first) * channels,
                            p->in_zero_point);
            continue;
        }
        for (int32_t c = columns->first; c < columns->last; c++)
            acc = eq_dot_s8(acc, line + (columns->origin + c * win->dilation_w) * channels,
                            taps + c * channels, channels, p->in_zero_point);
    }
    return (int32_t)acc;
}

void eq_conv2d_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const int32_t *bias,
                  int8_t *output) {
    const eq_window *win = &p->window;
    int32_t kernel = win->height * win->width * p->in.channels;
    for (int32_t y = 0; y < p->out.height; y++) {
        eq_taps rows =
            eq_taps_inside(y, win->stride_h, win->pad_top, win->height, win->dilation_h, p->in.height);
        for (int32_t x = 0; x < p->out.width; x++) {
            eq_taps columns =
                eq_taps_inside(x, win->stride_w, win->pad_left, win->width, win->dilation_w, p->in.width);
            for (int32_t c = 0; c < p->out.channels; c++) {
                int32_t acc = accumulate(p, input, weights + c * kernel, &rows, &columns, bias ? bias[c] : 0);
                *output++ = eq_output_s8(acc, p->multipliers[c], p->shifts[c], &p->output);
            }
        }
    }
}
