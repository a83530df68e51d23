#include <string.h>

#include "eq_numerics.h"
#include "max_words.h"

#if defined(EQ_MAC16)
#define WINDOW eq_max_words_lx6
#else
#define WINDOW eq_max_words
#endif

void eq_max_pool2d_s8_words(const eq_pool2d *p, const int8_t *input, int8_t *output) {
    const eq_window *win = &p->window;
    int32_t channels = p->in.channels;
    eq_max_window window = {.channels = channels, .row_step = p->in.width * channels};
    for (int32_t y = 0; y < p->out.height; y++) {
        eq_taps rows = eq_taps_inside(y, win->stride_h, win->pad_top, win->height, 1, p->in.height);
        window.rows = rows.last - rows.first;
        for (int32_t x = 0; x < p->out.width; x++, output += channels) {
            eq_taps columns = eq_taps_inside(x, win->stride_w, win->pad_left, win->width, 1, p->in.width);
            window.columns = columns.last - columns.first;
            if (!window.rows || !window.columns) { /* wholly in the padding */
                memset(output, INT8_MIN, (size_t)channels);
                continue;
            }
            window.from =
                input +
                ((rows.origin + rows.first) * p->in.width + columns.origin + columns.first) * channels;
            window.to = output;
            WINDOW(&window);
        }
    }
}
