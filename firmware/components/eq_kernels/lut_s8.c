#include "eq_kernels.h"

void eq_lut_s8(const eq_lut *p, const int8_t *input, int8_t *output) {
    for (int32_t i = 0; i < p->elements; i++) output[i] = p->table[input[i] - INT8_MIN];
}
