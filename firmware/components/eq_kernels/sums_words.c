#include "sums_words.h"

void eq_sums_words(const eq_sums *p) {
    for (int32_t i = 0; i < 4 * p->words; i++) {
        uint32_t sum = (uint32_t)p->sums[i];
        for (int32_t r = 0; r < p->rows; r++) {
            const int8_t *at = p->from + r * p->row_step + i;
            for (int32_t c = 0; c < p->columns; c++, at += p->column_step) sum += (uint32_t)(*at + 128);
        }
        p->sums[i] = (int32_t)sum;
    }
}
