#include "eq_broadcast.h"
#include "eq_numerics.h"

static void row(const void *params, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                int8_t *output, int32_t n) {
    const eq_mul *p = params;
    for (int32_t i = 0; i < n; i++, a += a_step, b += b_step) {
        int32_t product = (*a - p->a_zero_point) * (*b - p->b_zero_point);
        output[i] = eq_output_s8(product, p->factor.multiplier, p->factor.shift, &p->output);
    }
}

void eq_mul_s8(const eq_mul *p, const int8_t *a, const int8_t *b, int8_t *output) {
    eq_for_rows(&p->operands, row, p, a, b, output);
}
