#include "eq_numerics.h"

static uint32_t rescaled(int32_t x, int32_t zero_point, int32_t left_shift, const eq_factor *factor) {
    int32_t shifted = (int32_t)((uint32_t)(x - zero_point) << left_shift);
    return (uint32_t)eq_requantise(shifted, factor->multiplier, factor->shift);
}

void eq_add_s8(const eq_add *p, const int8_t *a, const int8_t *b, int8_t *output) {
    for (int32_t i = 0; i < p->elements; i++) {
        uint32_t sum = rescaled(a[i], p->a_zero_point, p->left_shift, &p->a) +
                       rescaled(b[i], p->b_zero_point, p->left_shift, &p->b);
        output[i] = eq_output_s8((int32_t)sum, p->sum.multiplier, p->sum.shift, &p->output);
    }
}
