#include "eq_kernels.h"

void eq_arg_max_s8(const eq_arg_max *p, const int8_t *input, int32_t *output) {
    for (int32_t o = 0; o < p->outer; o++, input += p->size * p->inner) {
        for (int32_t i = 0; i < p->inner; i++) {
            int32_t best = 0;
            for (int32_t k = 1; k < p->size; k++)
                if (input[k * p->inner + i] > input[best * p->inner + i]) best = k;
            *output++ = best;
        }
    }
}
