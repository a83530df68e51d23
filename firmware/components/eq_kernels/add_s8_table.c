#include "eq_numerics.h"

#if defined(EQ_MAC16)
#define ROW eq_add_row_table_lx6
#else
#define ROW eq_add_row_table
#endif

void eq_add_row_table(const eq_add_table *p, const int8_t *a, const int8_t *b, int8_t *output, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        uint32_t sum = (uint32_t)p->a[(uint8_t)a[i]] + (uint32_t)p->b[(uint8_t)b[i]];
        int32_t high = (int32_t)(((int64_t)(int32_t)sum * p->multiplier) >> 32);
        uint32_t value = (uint32_t)high + (uint32_t)p->offset - (p->sign && high < -1 ? 2 : 0);
        output[i] = eq_clamp((int32_t)value >> p->shift, p->min, p->max);
    }
}

void eq_add_s8_table(const eq_add_table *p, const int8_t *a, const int8_t *b, int8_t *output) {
    ROW(p, a, b, output, p->elements);
}
