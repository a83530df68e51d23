#include "gather.h"
#include "scaled_s16.h"

void eq_widen_weights(const int8_t *from, int32_t count, int32_t shift, int16_t *to) {
    for (int32_t i = 0; i < count; i++) to[eq_grouped(i)] = (int16_t)(from[i] * (1 << shift));
    for (int32_t i = 0; i < 3; i++) to[count + i] = to[i];
}
