/* fully_connected_s8 for cores with MAC16. A weight is used once in a row of inputs, so that nothing of it is
 * copied: a word of four is taken as two halfwords, and the inputs are laid out to fit (docs/kernels.md). */
#include "fc_row_s8.h"

#if defined(EQ_MAC16)
#define ROW eq_fc_row_s8_lx6
#else
#define ROW eq_fc_row_s8
#endif

/* The inputs as eq_fc_row wants them; returns what its sums begin with besides: the share of the 128 in w0
 * and w2. */
static int32_t lay_out(const int8_t *x, int32_t inputs, int16_t *to) {
    int32_t even = 0;
    for (int32_t i = 0; i < inputs; i += 4) {
        to[i] = x[i + 1];
        to[i + 1] = x[i + 3];
        to[i + 2] = (int16_t)(256 * x[i] - x[i + 1] + 127);
        to[i + 3] = (int16_t)(256 * x[i + 2] - x[i + 3] + 127);
        even += x[i] + x[i + 2];
    }
    for (int32_t i = 0; i < 4; i++) to[inputs + i] = to[i];
    return (int32_t)((uint32_t)even * (uint32_t)(-128 * 256));
}

void eq_fully_connected_s8_mac16(const eq_fully_connected_mac16 *p, const int8_t *input,
                                 const int8_t *weights, int8_t *output, void *scratch) {
    for (int32_t r = 0; r < p->rows; r++, input += p->inputs, output += p->outputs) {
        int32_t offset = lay_out(input, p->inputs, scratch);
        eq_fc_row row = {.x = scratch,
                         .weights = weights,
                         .quads = p->inputs / 4,
                         .outputs = p->outputs,
                         .channels = p->channels,
                         .offset = offset,
                         .min = p->min,
                         .max = p->max};
        ROW(&row, output);
    }
}
