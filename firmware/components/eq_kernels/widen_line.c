#include "gather.h"

void eq_widen_line(const int8_t *from, int32_t count, int16_t *to) {
    for (int32_t i = 0; i < count; i++) to[i] = (int16_t)(from[i] + 128);
}
