/* What the plain C of both sizes of tiles does to a patch of the input. */
#ifndef EQ_WINOGRAD_INPUT_H
#define EQ_WINOGRAD_INPUT_H

#include "scaled_s16.h"
#include "winograd.h"

/* Factors are [side][side]. */
static inline void eq_winograd_input(const eq_winograd_patch *p, const int32_t *factors, int32_t side) {
    for (int32_t c = 0; c < p->channels; c++) {
        int32_t rows[6][6];
        for (int32_t i = 0; i < side; i++)
            for (int32_t x = 0; x < side; x++) {
                rows[i][x] = 0;
                for (int32_t k = 0; k < side; k++)
                    rows[i][x] +=
                        factors[i * side + k] * (p->from[k * p->row + x * p->column + c] + 128 - p->zero);
            }
        int16_t *at = p->to + eq_grouped(c);
        for (int32_t i = 0; i < side; i++)
            for (int32_t j = 0; j < side; j++, at += p->position / 2) {
                int32_t sum = 0;
                for (int32_t k = 0; k < side; k++) sum += factors[j * side + k] * rows[i][k];
                *at = (int16_t)sum;
            }
    }
}

#endif
