#include "eq_numerics.h"

static int32_t sum(const eq_mean *p, const int8_t *input) {
    uint32_t total = 0;
    for (int32_t y = 0; y < p->window.height; y++) {
        for (int32_t x = 0; x < p->window.width; x++) {
            const int8_t *pixel = input + (y * p->in.width + x) * p->in.channels;
            for (int32_t c = 0; c < p->window.channels; c++) total += (uint32_t)(pixel[c] - p->in_zero_point);
        }
    }
    return (int32_t)total;
}

void eq_mean_s8(const eq_mean *p, const int8_t *input, int8_t *output) {
    eq_output clamp = {p->out_zero_point, INT8_MIN, INT8_MAX};
    for (int32_t y = 0; y < p->in.height; y += p->window.height) {
        for (int32_t x = 0; x < p->in.width; x += p->window.width) {
            const int8_t *pixel = input + (y * p->in.width + x) * p->in.channels;
            for (int32_t c = 0; c < p->in.channels; c += p->window.channels)
                *output++ = eq_output_s8(sum(p, pixel + c), p->factor.multiplier, p->factor.shift, &clamp);
        }
    }
}
