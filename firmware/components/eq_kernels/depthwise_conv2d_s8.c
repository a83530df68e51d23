#include "eq_numerics.h"

enum { LANES = 4 };

/* Adds a row of taps to the sums of LANES output channels, whose input channels lie beside each other too. */
static void add_taps(uint32_t sums[LANES], const int8_t *x, int32_t x_step, const int8_t *w, int32_t w_step,
                     int32_t taps, int32_t zero_point) {
    uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (; taps > 0; taps--, x += x_step, w += w_step) {
        s0 += (uint32_t)(w[0] * (x[0] - zero_point));
        s1 += (uint32_t)(w[1] * (x[1] - zero_point));
        s2 += (uint32_t)(w[2] * (x[2] - zero_point));
        s3 += (uint32_t)(w[3] * (x[3] - zero_point));
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

static uint32_t sum_of_taps(const int8_t *x, int32_t x_step, const int8_t *w, int32_t w_step, int32_t taps,
                            int32_t zero_point) {
    uint32_t sum = 0;
    for (; taps > 0; taps--, x += x_step, w += w_step) sum += (uint32_t)(*w * (*x - zero_point));
    return sum;
}

/* `lanes` output channels of one pixel: LANES, or one. */
static void pixel(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const eq_taps *rows,
                  const eq_taps *columns, int32_t lanes, uint32_t sums[LANES]) {
    const eq_window *win = &p->window;
    int32_t taps = columns->last - columns->first, x_step = win->dilation_w * p->in.channels;
    int32_t left = columns->origin + columns->first * win->dilation_w;
    if (taps == 0) return; /* the window lies beside the input */
    for (int32_t r = rows->first; r < rows->last; r++) {
        const int8_t *x =
            input + ((rows->origin + r * win->dilation_h) * p->in.width + left) * p->in.channels;
        const int8_t *w = weights + (r * win->width + columns->first) * p->out.channels;
        if (lanes == LANES)
            add_taps(sums, x, x_step, w, p->out.channels, taps, p->in_zero_point);
        else
            sums[0] += sum_of_taps(x, x_step, w, p->out.channels, taps, p->in_zero_point);
    }
}

void eq_depthwise_conv2d_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights,
                            const int32_t *bias, int8_t *output) {
    const eq_window *win = &p->window;
    int32_t channels = p->out.channels, multiplier = channels / p->in.channels;
    for (int32_t y = 0; y < p->out.height; y++) {
        eq_taps rows =
            eq_taps_inside(y, win->stride_h, win->pad_top, win->height, win->dilation_h, p->in.height);
        for (int32_t x = 0; x < p->out.width; x++) {
            eq_taps columns =
                eq_taps_inside(x, win->stride_w, win->pad_left, win->width, win->dilation_w, p->in.width);
            for (int32_t c = 0, lanes; c < channels; c += lanes) {
                uint32_t sums[LANES] = {0};
                lanes = multiplier == 1 && c + LANES <= channels ? LANES : 1;
                for (int32_t l = 0; bias && l < lanes; l++) sums[l] = (uint32_t)bias[c + l];
                pixel(p, input + c / multiplier, weights + c, &rows, &columns, lanes, sums);
                for (int32_t l = 0; l < lanes; l++)
                    *output++ =
                        eq_output_s8((int32_t)sums[l], p->multipliers[c + l], p->shifts[c + l], &p->output);
            }
        }
    }
}
