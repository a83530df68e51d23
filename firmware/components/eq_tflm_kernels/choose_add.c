#include "eq_choose.h"
#include "eq_numerics.h"

enum { SHIFT_MOST = 21, SUM_MOST = 1 << 29 };

/* What a value of an operand adds to the sum. */
static int32_t share(const eq_add *add, int32_t value, int32_t zero_point, const eq_factor *factor) {
    return eq_requantise((value - zero_point) * (1 << add->left_shift), factor->multiplier, factor->shift);
}

/* Shares rise with the value, so that the ends are the largest. */
static int64_t largest(const eq_add *add, int32_t zero_point, const eq_factor *factor) {
    int64_t low = -(int64_t)share(add, -128, zero_point, factor), high = share(add, 127, zero_point, factor);
    return low > high ? low : high;
}

bool eq_can_add_by_table(const eq_add *add) {
    return add->sum.shift >= -SHIFT_MOST && add->sum.shift <= 0 &&
           largest(add, add->a_zero_point, &add->a) + largest(add, add->b_zero_point, &add->b) < SUM_MOST;
}

void eq_make_add_table(const eq_add *add, int32_t elements, int32_t *tables, eq_add_table *table) {
    for (int32_t i = 0; i < 256; i++) { /* by the value's byte */
        tables[i] = 4 * share(add, (int8_t)i, add->a_zero_point, &add->a);
        tables[256 + i] = 4 * share(add, (int8_t)i, add->b_zero_point, &add->b);
    }
    int32_t shift = add->sum.shift, z = add->output.zero_point;
    *table = (eq_add_table){
        .elements = elements,
        .multiplier = add->sum.multiplier,
        .offset = 1 + (shift ? 1 << -shift : 0) + z * (1 << (1 - shift)),
        .shift = 1 - shift,
        .sign = shift < 0 && add->output.min < z,
        .min = add->output.min,
        .max = add->output.max,
        .a = tables,
        .b = tables + 256,
    };
}
