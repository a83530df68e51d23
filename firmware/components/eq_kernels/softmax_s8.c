#include <string.h>

#include "eq_numerics.h"
#include "softmax_row.h"

#if defined(EQ_MAC16)
#define SUM eq_softmax_sum_lx6
#define SHARES eq_softmax_shares_lx6
#else
#define SUM eq_softmax_sum
#define SHARES eq_softmax_shares
#endif

/* Fixed point as gemmlowp's: a raw value in Qi stands for raw / 2^(31 - i). numerics.md#softmax */
enum { SUM_BITS = EQ_SOFTMAX_SUM_BITS };

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

static void row(const int32_t *exponentials, const int8_t *input, int32_t n, int8_t *output) {
    int32_t max;
    uint32_t sum = SUM(exponentials, input, n, &max);
    /* The maximum's own exponential is one, so that the sum is not zero, and at most 31 bits go. */
    int32_t headroom = __builtin_clz(sum | 1);
    int32_t scale = one_over_one_plus((int32_t)((sum << headroom) - 0x80000000u));
    int32_t shift = SUM_BITS - headroom + 31 - 8;
    if (shift > 31 || shift < 0) {
        memset(output, INT8_MIN, (size_t)n);
        return;
    }
    eq_softmax_row shares = {exponentials, max, scale, shift, shift ? 1 << (shift - 1) : 0};
    SHARES(&shares, input, n, output);
}

void eq_softmax_s8(const eq_softmax *p, const int8_t *input, int8_t *output) {
    for (int32_t r = 0; r < p->rows; r++)
        row(p->exponentials, input + r * p->columns, p->columns, output + r * p->columns);
}
