#include "gather.h"
#include "scaled_s16.h"

void eq_widen_runs(const int8_t *from, int32_t runs, int32_t pitch, int32_t quads, int16_t *to) {
    for (int32_t run = 0; run < runs; run++, from += pitch, to += 4 * quads)
        for (int32_t i = 0; i < 4 * quads; i++) to[eq_grouped(i)] = (int16_t)(from[i] + 128);
}
