#include "eq_numerics.h"

/* What the input pixels that reach output (y, x) add to one channel: tap r of the window comes from input row
 * (y + pad - r) / stride, where that is whole. */
static int32_t accumulate(const eq_conv2d *p, const int8_t *input, const int8_t *weights, int32_t y,
                          int32_t x, int32_t bias) {
    const eq_window *win = &p->window;
    int32_t channels = p->in.channels, top = y + win->pad_top, left = x + win->pad_left;
    uint32_t acc = (uint32_t)bias;
    for (int32_t r = top % win->stride_h; r < win->height && r <= top; r += win->stride_h) {
        int32_t row = (top - r) / win->stride_h;
        if (row >= p->in.height) continue;
        for (int32_t c = left % win->stride_w; c < win->width && c <= left; c += win->stride_w) {
            int32_t column = (left - c) / win->stride_w;
            if (column >= p->in.width) continue;
            acc = eq_dot_s8(acc, input + (row * p->in.width + column) * channels,
                            weights + (r * win->width + c) * channels, channels, p->in_zero_point);
        }
    }
    return (int32_t)acc;
}

void eq_transpose_conv_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const int32_t *bias,
                          int8_t *output) {
    int32_t kernel = p->window.height * p->window.width * p->in.channels;
    for (int32_t y = 0; y < p->out.height; y++)
        for (int32_t x = 0; x < p->out.width; x++)
            for (int32_t c = 0; c < p->out.channels; c++) {
                int32_t acc = accumulate(p, input, weights + c * kernel, y, x, bias ? bias[c] : 0);
                *output++ = eq_output_s8(acc, p->multipliers[c], p->shifts[c], &p->output);
            }
}
