#include "eq_numerics.h"
#include "softmax_row.h"

void eq_softmax_shares(const eq_softmax_row *p, const int8_t *input, int32_t n, int8_t *output) {
    for (int32_t i = 0; i < n; i++) {
        int32_t share =
            eq_rounding_divide(eq_high_mul(p->exponentials[p->max - input[i]], p->scale), p->shift);
        output[i] = eq_clamp((int32_t)((uint32_t)share + (uint32_t)INT8_MIN), INT8_MIN, INT8_MAX);
    }
}
