#include "eq_numerics.h"

static void row(const eq_fully_connected *p, const int8_t *input, const int8_t *weights, const int32_t *bias,
                int8_t *output) {
    for (int32_t c = 0; c < p->outputs; c++, weights += p->inputs) {
        uint32_t acc = eq_dot_s8(bias ? (uint32_t)bias[c] : 0, input, weights, p->inputs, p->in_zero_point);
        output[c] = eq_output_s8((int32_t)acc, p->multipliers[c], p->shifts[c], &p->output);
    }
}

void eq_fully_connected_s8(const eq_fully_connected *p, const int8_t *input, const int8_t *weights,
                           const int32_t *bias, int8_t *output) {
    for (int32_t r = 0; r < p->rows; r++)
        row(p, input + r * p->inputs, weights, bias, output + r * p->outputs);
}
