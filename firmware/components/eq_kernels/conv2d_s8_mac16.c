/* conv2d_s8 on rows of the input as int16, for cores that multiply int16 fast: what the windows of some rows
 * of the output span lies in the scratch with its padding, so that a row of a window is one run; each output
 * channel's weights are widened once and run over all of them. The bytes are those of conv2d_s8. */
#include "gather.h"

enum {
    WEIGHTS_SLACK = 4, /* halfwords around the weights: one, and the first three again */
    LINES_SLACK = 4    /* halfwords of the window that would come next, which are read */
};

/* Of what lies in the scratch, in halfwords and lines. */
typedef struct tiling {
    uint64_t values; /* of a window */
    uint64_t line;   /* a row of the input, with its padding */
    uint64_t lines;  /* below some rows of the output */
} tiling;

static tiling tiling_of(const eq_conv2d_mac16 *p) {
    const eq_window *win = &p->window;
    tiling t;
    uint64_t columns = (uint64_t)(p->out.width - 1) * (uint32_t)win->stride_w + (uint32_t)win->width;
    t.values = (uint64_t)win->height * (uint32_t)win->width * (uint32_t)p->in.channels;
    t.line = columns * (uint32_t)p->in.channels;
    t.lines = (uint64_t)(p->rows - 1) * (uint32_t)win->stride_h + 1;
    t.lines += (uint64_t)(win->height - 1) * (uint32_t)win->dilation_h;
    return t;
}

uint64_t eq_conv2d_s8_mac16_scratch(const eq_conv2d_mac16 *p) {
    tiling t = tiling_of(p);
    int32_t stride = p->window.stride_w, width = p->window.width;
    uint64_t skipped = stride > width ? (uint64_t)(stride - width) * (uint32_t)p->in.channels : 0;
    return 2 * (t.values + WEIGHTS_SLACK + t.lines * t.line + skipped + LINES_SLACK);
}

/* A line: that row of the input, or of the padding above or below. */
static void widen_row(const eq_conv2d_mac16 *p, const int8_t *input, int32_t row, int32_t line, int16_t *to) {
    int32_t channels = p->in.channels, pad = p->in_zero_point + 128;
    int32_t first = p->window.pad_left * channels, size = p->in.width * channels;
    if (!eq_is_inside(row, row, p->in.height) || first >= line) {
        eq_fill(to, line, pad);
        return;
    }
    to = eq_fill(to, first, pad);
    int32_t count = line - first < size ? line - first : size;
    EQ_FAST(eq_widen_runs)(input + row * size, 1, 0, count / 4, to);
    eq_fill(to + count, line - first - count, pad);
}

void eq_conv2d_s8_mac16(const eq_conv2d_mac16 *p, const int8_t *input, const int8_t *weights, int8_t *output,
                        void *scratch) {
    const eq_window *win = &p->window;
    tiling t = tiling_of(p);
    int32_t values = (int32_t)t.values, line = (int32_t)t.line, row_bytes = p->out.width * p->out.channels;
    int16_t *wide = (int16_t *)scratch + 1, *lines = (int16_t *)scratch + values + WEIGHTS_SLACK;
    eq_line_dots dots = {.weights = wide,
                         .quads = win->width * p->in.channels / 4,
                         .rows = win->height,
                         .pitch = 2 * win->dilation_h * line,
                         .step = 2 * win->stride_w * p->in.channels,
                         .pixels = p->out.width,
                         .stride = p->out.channels,
                         .min = p->min,
                         .max = p->max};
    for (int32_t first = 0; first < p->out.height; first += p->rows) {
        int32_t rows = p->out.height - first < p->rows ? p->out.height - first : p->rows;
        int32_t top = first * win->stride_h - win->pad_top;
        int32_t spanned = (rows - 1) * win->stride_h + (win->height - 1) * win->dilation_h + 1;
        for (int32_t i = 0; i < spanned; i++) widen_row(p, input, top + i, line, lines + i * line);
        for (int32_t c = 0; c < p->out.channels; c++) {
            eq_widen_channel(weights + c * values, values, p->weight_shift, wide);
            for (int32_t i = 0; i < rows; i++) {
                dots.x = lines + i * win->stride_h * line;
                EQ_FAST(eq_line_dots_s16)(&dots, &p->channels[c], output + (first + i) * row_bytes + c);
            }
        }
    }
}
