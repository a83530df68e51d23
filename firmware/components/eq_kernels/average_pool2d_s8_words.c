/* average_pool2d_s8's bytes, with the sums of a window's channels in the scratch. */
#include "eq_numerics.h"
#include "sums_words.h"

uint64_t eq_average_pool2d_s8_words_scratch(const eq_pool2d *p) {
    return sizeof(int32_t) * (uint64_t)(uint32_t)p->in.channels;
}

/* Half rounds away from zero. */
static void averages(const eq_pool2d *p, const int32_t *sums, int32_t count, int8_t *output) {
    int32_t half = count / 2, min = p->min, max = p->max, channels = p->in.channels;
    for (int32_t c = 0; c < channels; c++) {
        int32_t value = (sums[c] + (sums[c] > 0 ? half : -half)) / count;
        value = value > min ? value : min;
        output[c] = (int8_t)(value < max ? value : max);
    }
}

void eq_average_pool2d_s8_words(const eq_pool2d *p, const int8_t *input, int8_t *output, void *scratch) {
    const eq_window *win = &p->window;
    int32_t channels = p->in.channels, pitch = p->in.width * channels, *sums = scratch;
    for (int32_t y = 0; y < p->out.height; y++) {
        eq_taps rows = eq_taps_inside(y, win->stride_h, win->pad_top, win->height, 1, p->in.height);
        for (int32_t x = 0; x < p->out.width; x++, output += channels) {
            eq_taps columns = eq_taps_inside(x, win->stride_w, win->pad_left, win->width, 1, p->in.width);
            int32_t count = (rows.last - rows.first) * (columns.last - columns.first);
            for (int32_t c = 0; c < channels; c++) sums[c] = -128 * count;
            eq_sums window = {
                .from =
                    input + (rows.origin + rows.first) * pitch + (columns.origin + columns.first) * channels,
                .sums = sums,
                .words = channels / 4,
                .rows = rows.last - rows.first,
                .columns = columns.last - columns.first,
                .row_step = pitch,
                .column_step = channels,
            };
            if (count) eq_sums_of_any(&window);
            averages(p, sums, count ? count : 1, output); /* wholly in the padding: zero */
        }
    }
}
