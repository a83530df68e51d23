#include "eq_broadcast.h"
#include "scaled_s16.h"

#if defined(EQ_MAC16)
#define ROW eq_mul_row_s8_lx6
#else
#define ROW eq_mul_row_s8
#endif

void eq_mul_row_s8(const eq_mul_scaled *p, const int8_t *a, const int8_t *b, int8_t *output, int32_t n,
                   int32_t steps) {
    for (int32_t i = 0; i < n; i++, a += steps & 1, b += steps >> 1) {
        int32_t product = (*a - p->a_zero_point) * (*b - p->b_zero_point);
        output[i] = eq_scaled_output(product * 256, &p->tail, p->min, p->max);
    }
}

static void row(const void *params, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                int8_t *output, int32_t n) {
    ROW(params, a, b, output, n, a_step | b_step << 1);
}

void eq_mul_s8_scaled(const eq_mul_scaled *p, const int8_t *a, const int8_t *b, int8_t *output) {
    eq_for_rows(&p->operands, row, p, a, b, output);
}
