#include "eq_kernels.h"

#if defined(EQ_MAC16)
#define ROW eq_lut_row_s8_lx6
#else
#define ROW eq_lut_row_s8
#endif

void eq_lut_row_s8(const int8_t *middle, const int8_t *input, int8_t *output, int32_t n) {
    for (int32_t i = 0; i < n; i++) output[i] = middle[input[i]];
}

void eq_lut_s8(const eq_lut *p, const int8_t *input, int8_t *output) {
    ROW(p->table - INT8_MIN, input, output, p->elements);
}
