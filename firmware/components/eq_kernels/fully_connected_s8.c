#include "eq_kernels.h"

/* A convolution of one row of pixels, with a window of one pixel. */
void eq_fully_connected_s8(const eq_fully_connected *p, const int8_t *input, const int8_t *weights,
                           const int32_t *bias, int8_t *output) {
    const eq_conv2d conv = {
        .in = {1, p->rows, p->inputs},
        .out = {1, p->rows, p->outputs},
        .window = {1, 1, 1, 1, 1, 1, 0, 0},
        .in_zero_point = p->in_zero_point,
        .output = p->output,
        .multipliers = p->multipliers,
        .shifts = p->shifts,
    };
    eq_conv2d_s8(&conv, input, weights, bias, output);
}
