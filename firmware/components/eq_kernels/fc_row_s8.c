#include "fc_row_s8.h"

#include "scaled_s16.h"

/* Four weights by two pairs: 256 w1 + u0 as one halfword, u0 = w0 + 128 alone as another. */
static uint32_t by_pairs(const int8_t *w, const int16_t *x) {
    int32_t u0 = w[0] + 128, u2 = w[2] + 128;
    return (uint32_t)((256 * w[1] + u0) * x[0] + u0 * x[2]) +
           (uint32_t)((256 * w[3] + u2) * x[1] + u2 * x[3]);
}

void eq_fc_row_s8(const eq_fc_row *row, int8_t *output) {
    const int8_t *w = row->weights;
    for (int32_t c = 0; c < row->outputs; c++) {
        uint32_t sum = (uint32_t)row->channels[c].start + (uint32_t)row->offset;
        for (int32_t i = 0; i < row->quads; i++, w += 4) sum += by_pairs(w, row->x + 4 * i);
        output[c] = eq_scaled_output((int32_t)sum, &row->channels[c], row->min, row->max);
    }
}
