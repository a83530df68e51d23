/* What a row of softmax_s8 loops over, in C and in assembly. numerics.md#softmax */
#ifndef EQ_SOFTMAX_ROW_H
#define EQ_SOFTMAX_ROW_H

#include <stdint.h>

enum { EQ_SOFTMAX_SUM_BITS = 12 };

/* The sum of the rounded exponentials of a row's distances below its maximum, which is written to *max. n is
 * at least 1. */
uint32_t eq_softmax_sum(const int32_t *exponentials, const int8_t *input, int32_t n, int32_t *max);
uint32_t eq_softmax_sum_lx6(const int32_t *exponentials, const int8_t *input, int32_t n, int32_t *max);

/* The field offsets are known to softmax_shares_lx6.S. */
typedef struct eq_softmax_row {
    const int32_t *exponentials;
    int32_t max;
    int32_t scale; /* of an exponential, not negative */
    int32_t shift; /* of the product to the right, 0 to 31 */
    int32_t half;  /* 2^(shift - 1), 0 where that is 0 */
} eq_softmax_row;

void eq_softmax_shares(const eq_softmax_row *p, const int8_t *input, int32_t n, int8_t *output);
void eq_softmax_shares_lx6(const eq_softmax_row *p, const int8_t *input, int32_t n, int8_t *output);

#endif
