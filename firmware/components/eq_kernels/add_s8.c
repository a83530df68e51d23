#include "eq_broadcast.h"
#include "eq_numerics.h"

static uint32_t rescaled(int32_t x, int32_t zero_point, int32_t left_shift, const eq_factor *factor) {
    int32_t shifted = (int32_t)((uint32_t)(x - zero_point) << left_shift);
    return (uint32_t)eq_requantise(shifted, factor->multiplier, factor->shift);
}

static void add_row(const void *params, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                    int8_t *output, int32_t n) {
    const eq_add *p = params;
    for (int32_t i = 0; i < n; i++, a += a_step, b += b_step) {
        uint32_t sum = rescaled(*a, p->a_zero_point, p->left_shift, &p->a) +
                       rescaled(*b, p->b_zero_point, p->left_shift, &p->b);
        output[i] = eq_output_s8((int32_t)sum, p->sum.multiplier, p->sum.shift, &p->output);
    }
}

static void sub_row(const void *params, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                    int8_t *output, int32_t n) {
    const eq_add *p = params;
    for (int32_t i = 0; i < n; i++, a += a_step, b += b_step) {
        uint32_t difference = rescaled(*a, p->a_zero_point, p->left_shift, &p->a) -
                              rescaled(*b, p->b_zero_point, p->left_shift, &p->b);
        output[i] = eq_output_s8((int32_t)difference, p->sum.multiplier, p->sum.shift, &p->output);
    }
}

void eq_add_s8(const eq_add *p, const int8_t *a, const int8_t *b, int8_t *output) {
    eq_for_rows(&p->operands, add_row, p, a, b, output);
}

void eq_sub_s8(const eq_add *p, const int8_t *a, const int8_t *b, int8_t *output) {
    eq_for_rows(&p->operands, sub_row, p, a, b, output);
}
