#include "planes_s16.h"

void eq_planes_s16(eq_planes *planes) {
    for (int32_t line = 0; line < planes->lines; line++) {
        const int8_t *from = planes->from + line * planes->line_step;
        int16_t *to = planes->to + line * EQ_PLANES_LINE;
        for (int32_t pixel = 0; pixel < planes->pixels; pixel++)
            for (int32_t q = 0; q < EQ_PLANES; q++)
                to[q * EQ_PLANE_LINE + pixel] = (int16_t)(from[pixel * planes->step + q] + 128);
    }
}
