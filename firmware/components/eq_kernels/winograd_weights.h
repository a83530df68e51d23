/* What the plain C of both sizes of tiles does to weights. */
#ifndef EQ_WINOGRAD_WEIGHTS_H
#define EQ_WINOGRAD_WEIGHTS_H

#include "scaled_s16.h"

/* What is added to the taps, so that in assembly two channels go through one register: the lower half of a
 * word must not borrow from the upper. 0: the lower, 1: the upper. */
static const int32_t EQ_WINOGRAD_ADDED[2][9] = {{128 + 1280, 128, 128, 128, 128, 128, 128, 128, 128 + 256},
                                                {128, 128, 128, 128, 128, 128, 128, 128, 128}};

static inline void eq_winograd_weights(const int32_t (*factors)[3], int32_t side, const int8_t *taps,
                                       int32_t stride, int32_t channels, int16_t *to) {
    for (int32_t c = 0; c < channels; c++) {
        const int32_t *added = EQ_WINOGRAD_ADDED[eq_grouped(c) & 1];
        int32_t rows[6][3];
        for (int32_t i = 0; i < side; i++)
            for (int32_t x = 0; x < 3; x++) {
                rows[i][x] = 0;
                for (int32_t k = 0; k < 3; k++)
                    rows[i][x] += factors[i][k] * (taps[(3 * k + x) * stride + c] + added[3 * k + x]);
            }
        int16_t *at = to + eq_grouped(c);
        for (int32_t i = 0; i < side; i++)
            for (int32_t j = 0; j < side; j++, at += channels)
                *at = (int16_t)(factors[j][0] * rows[i][0] + factors[j][1] * rows[i][1] +
                                factors[j][2] * rows[i][2]);
    }
}

#endif
