#include "eq_numerics.h"

/* Fixed point as gemmlowp's: a raw value in Qi stands for raw / 2^(31 - i). numerics.md#softmax */
enum { SUM_BITS = 12 };

static int32_t saturated(int64_t x) {
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

/* 1 / (1 + x) for x in [0, 1) in Q0: three Newton steps in Q2 from 48/17 - 32/17 d. */
static int32_t one_over_one_plus(int32_t x) {
    int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t r = 1515870810 + eq_high_mul(half, -1010580540);
    for (int i = 0; i < 3; i++) {
        int32_t rest = (1 << 29) - eq_high_mul(half, r);
        r = (int32_t)((uint32_t)r + (uint32_t)saturated((int64_t)eq_high_mul(r, rest) * 4));
    }
    return saturated((int64_t)r * 2);
}

static int32_t leading_zeros(uint32_t x) {
    int32_t n = 0;
    for (; n < 32 && !(x & 0x80000000u); x <<= 1) n++;
    return n;
}

static void row(const int32_t *exponentials, const int8_t *input, int32_t n, int8_t *output) {
    int32_t max = INT8_MIN;
    for (int32_t i = 0; i < n; i++)
        if (input[i] > max) max = input[i];
    uint32_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += (uint32_t)eq_rounding_divide(exponentials[max - input[i]], SUM_BITS);
    /* The maximum's own exponential is one, so that the sum is not zero, and at most 31 bits go. */
    int32_t headroom = leading_zeros(sum | 1);
    int32_t scale = one_over_one_plus((int32_t)((sum << headroom) - 0x80000000u));
    int32_t shift = SUM_BITS - headroom + 31 - 8;
    for (int32_t i = 0; i < n; i++) {
        int32_t share = eq_high_mul(exponentials[max - input[i]], scale);
        int32_t value = shift > 31 || shift < 0 ? 0 : eq_rounding_divide(share, shift);
        output[i] = eq_clamp((int32_t)((uint32_t)value + (uint32_t)INT8_MIN), INT8_MIN, INT8_MAX);
    }
}

void eq_softmax_s8(const eq_softmax *p, const int8_t *input, int8_t *output) {
    for (int32_t r = 0; r < p->rows; r++)
        row(p->exponentials, input + r * p->columns, p->columns, output + r * p->columns);
}
