#include "eq_broadcast.h"
#include "eq_numerics.h"

static void row(const void *params, const int8_t *input, int32_t in_step, const int8_t *slopes,
                int32_t slopes_step, int8_t *output, int32_t n) {
    const eq_prelu *p = params;
    const eq_output clamp = {p->out_zero_point, INT8_MIN, INT8_MAX};
    for (int32_t i = 0; i < n; i++, input += in_step, slopes += slopes_step) {
        int32_t x = *input - p->in_zero_point;
        const eq_factor *factor = x >= 0 ? &p->identity : &p->sloped;
        if (x < 0) x *= *slopes - p->slopes_zero_point;
        output[i] = eq_output_s8(x, factor->multiplier, factor->shift, &clamp);
    }
}

void eq_prelu_s8(const eq_prelu *p, const int8_t *input, const int8_t *slopes, int8_t *output) {
    eq_for_rows(&p->operands, row, p, input, slopes, output);
}
