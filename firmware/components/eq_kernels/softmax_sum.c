#include "eq_numerics.h"
#include "softmax_row.h"

uint32_t eq_softmax_sum(const int32_t *exponentials, const int8_t *input, int32_t n, int32_t *max) {
    int32_t most = INT8_MIN;
    for (int32_t i = 0; i < n; i++)
        if (input[i] > most) most = input[i];
    uint32_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += (uint32_t)eq_rounding_divide(exponentials[most - input[i]], EQ_SOFTMAX_SUM_BITS);
    *max = most;
    return sum;
}
