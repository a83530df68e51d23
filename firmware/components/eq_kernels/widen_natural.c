#include "gather.h"
#include "scaled_s16.h"

void eq_widen_natural(const int8_t *from, int32_t count, int32_t shift, int16_t *to) {
    int32_t filled = (count + 3) / 4 * 4;
    for (int32_t i = 0; i <= filled; i++)
        to[eq_natural(i)] = (int16_t)(i < count ? from[i] * (1 << shift) : 0);
    for (int32_t i = 0; i < 3; i++) to[filled + i] = to[i];
}
