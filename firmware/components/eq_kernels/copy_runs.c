#include "gather.h"

void eq_copy_runs(const int16_t *from, int32_t runs, int32_t pitch, int32_t count, int16_t *to) {
    for (int32_t run = 0; run < runs; run++, from += pitch / 2, to += count)
        for (int32_t i = 0; i < count; i++) to[i] = from[i];
}
