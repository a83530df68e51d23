#include "eq_numerics.h"

void eq_mean_s8(const eq_mean *p, const int8_t *input, int8_t *output) {
    int32_t pixels = p->in.height * p->in.width;
    eq_output clamp = {p->out_zero_point, INT8_MIN, INT8_MAX};
    for (int32_t c = 0; c < p->in.channels; c++) {
        uint32_t sum = 0;
        for (int32_t i = 0; i < pixels; i++)
            sum += (uint32_t)(input[i * p->in.channels + c] - p->in_zero_point);
        output[c] = eq_output_s8((int32_t)sum, p->factor.multiplier, p->factor.shift, &clamp);
    }
}
