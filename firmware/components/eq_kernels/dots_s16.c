#include "gather.h"
#include "scaled_s16.h"

void eq_dots_s16(const eq_dots *dots, const eq_scaled_channel *channel, int8_t *output) {
    const int16_t *x = dots->x;
    for (int32_t pixel = 0; pixel < dots->pixels; pixel++, x += 4 * dots->quads, output += dots->stride) {
        uint32_t sum = (uint32_t)channel->start;
        for (int32_t i = 0; i < 4 * dots->quads; i++)
            sum += (uint32_t)(x[i] * dots->weights[dots->natural ? eq_natural(i) : i]);
        *output = eq_scaled_output((int32_t)sum, channel, dots->min, dots->max);
    }
}
