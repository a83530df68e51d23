#include "conv_row_s16.h"

#include "eq_numerics.h"

static int32_t dot(const eq_row *row, const int16_t *weights, int32_t offset) {
    int32_t n = row->groups * 4;
    uint32_t acc = 0;
    for (int32_t s = 0; s < row->segments; s++, weights += n) {
        const int16_t *x = row->segment[s] + offset;
        for (int32_t i = 0; i < n; i++) acc += (uint32_t)(x[i] * weights[i]);
    }
    return (int32_t)acc;
}

void eq_conv_row_s16(eq_row *row) {
    int32_t taps = row->segments * row->groups * 4;
    for (int32_t pixel = 0; pixel < row->pixels; pixel++) {
        const int16_t *weights = row->weights;
        for (int32_t c = 0; c < row->channels; c++, weights += taps) {
            const eq_row_channel *channel = &row->channel[c];
            int32_t acc =
                (int32_t)((uint32_t)dot(row, weights, pixel * (row->step / 2)) + (uint32_t)channel->bias);
            int32_t high = eq_high_mul(acc, channel->multiplier);
            uint32_t nudged = (uint32_t)high + (uint32_t)channel->half - (high < 0 && channel->half);
            uint32_t value = (uint32_t)((int32_t)nudged >> channel->shift) + (uint32_t)row->zero_point;
            row->output[c] = eq_clamp((int32_t)value, row->min, row->max);
        }
        row->output += row->output_stride;
    }
}
