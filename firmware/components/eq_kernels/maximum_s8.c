#include <stddef.h>

#include "eq_broadcast.h"

static void maximum_row(const void *params, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                        int8_t *output, int32_t n) {
    (void)params;
    for (int32_t i = 0; i < n; i++, a += a_step, b += b_step) output[i] = *a > *b ? *a : *b;
}

static void minimum_row(const void *params, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                        int8_t *output, int32_t n) {
    (void)params;
    for (int32_t i = 0; i < n; i++, a += a_step, b += b_step) output[i] = *a < *b ? *a : *b;
}

void eq_maximum_s8(const eq_operands *p, const int8_t *a, const int8_t *b, int8_t *output) {
    eq_for_rows(p, maximum_row, NULL, a, b, output);
}

void eq_minimum_s8(const eq_operands *p, const int8_t *a, const int8_t *b, int8_t *output) {
    eq_for_rows(p, minimum_row, NULL, a, b, output);
}
