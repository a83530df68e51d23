#include "planes_s16.h"
#include "scaled_s16.h"

void eq_plane3x3_s16(const eq_plane3x3 *p, const eq_scaled_channel *channel, const int16_t *plane,
                     int8_t *output, const int8_t *weights) {
    for (int32_t line = 0; line < p->lines; line++) {
        const int16_t *first = plane + line * (p->line_step / 2);
        int8_t *to = output + line * p->output_line;
        for (int32_t i = 0; i < p->outputs; i++, first += p->stride, to += p->output_step) {
            uint32_t sum = (uint32_t)channel->start;
            const int8_t *tap = weights;
            for (int32_t r = 0; r < 3; r++, tap += p->row - p->tap)
                for (int32_t c = 0; c < 3; c++, tap += p->tap)
                    sum += (uint32_t)(first[r * EQ_PLANES_LINE + c] * (*tap * 4));
            *to = eq_scaled_output((int32_t)sum, channel, p->min, p->max);
        }
    }
}
