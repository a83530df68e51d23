#include "eq_numerics.h"

void eq_max_pool2d_s8(const eq_pool2d *p, const int8_t *input, int8_t *output) {
    const eq_window *win = &p->window;
    int32_t channels = p->in.channels;
    for (int32_t y = 0; y < p->out.height; y++) {
        eq_taps rows = eq_taps_inside(y, win->stride_h, win->pad_top, win->height, 1, p->in.height);
        for (int32_t x = 0; x < p->out.width; x++) {
            eq_taps columns = eq_taps_inside(x, win->stride_w, win->pad_left, win->width, 1, p->in.width);
            for (int32_t c = 0; c < channels; c++) {
                int32_t best = INT8_MIN;
                for (int32_t r = rows.first; r < rows.last; r++) {
                    int32_t line = ((rows.origin + r) * p->in.width + columns.origin) * channels + c;
                    for (int32_t k = columns.first; k < columns.last; k++) {
                        int32_t value = input[line + k * channels];
                        if (value > best) best = value;
                    }
                }
                *output++ = eq_clamp(best, p->min, p->max);
            }
        }
    }
}
