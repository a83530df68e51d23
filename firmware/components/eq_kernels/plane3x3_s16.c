#include "eq_numerics.h"
#include "planes_s16.h"

void eq_plane3x3_s16(eq_plane3x3 *p) {
    for (int32_t line = 0; line < p->lines; line++) {
        const int16_t *first = p->line + line * (p->line_step / 2);
        int8_t *output = p->output + line * p->output_line;
        for (int32_t i = 0; i < p->outputs; i++, first += p->stride, output += p->output_step) {
            uint32_t acc = (uint32_t)p->bias;
            for (int32_t tap = 0; tap < 9; tap++)
                acc += (uint32_t)(first[tap / 3 * EQ_PLANES_LINE + tap % 3] * p->weights[tap]);
            int32_t high = (int32_t)(((int64_t)(int32_t)acc * p->multiplier) >> 32);
            int32_t value = high + p->offset - (p->sign && high < -1 ? 2 : 0);
            *output = eq_clamp(value >> p->shift, p->min, p->max);
        }
    }
}
