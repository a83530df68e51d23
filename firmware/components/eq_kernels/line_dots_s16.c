#include "gather.h"
#include "scaled_s16.h"

static uint32_t window(const eq_line_dots *dots, const int16_t *x, uint32_t sum) {
    const int16_t *w = dots->weights;
    for (int32_t row = 0; row < dots->rows; row++, x += dots->pitch / 2, w += 4 * dots->quads)
        for (int32_t i = 0; i < 4 * dots->quads; i++) sum += (uint32_t)(x[i] * w[i]);
    return sum;
}

void eq_line_dots_s16(const eq_line_dots *dots, const eq_scaled_channel *channel, int8_t *output) {
    const int16_t *x = dots->x;
    for (int32_t pixel = 0; pixel < dots->pixels; pixel++, x += dots->step / 2, output += dots->stride) {
        uint32_t sum = window(dots, x, (uint32_t)channel->start);
        *output = eq_scaled_output((int32_t)sum, channel, dots->min, dots->max);
    }
}
