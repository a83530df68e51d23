/* The heart of fully_connected_s8_mac16: all outputs of one row of inputs. */
#ifndef EQ_FC_ROW_S8_H
#define EQ_FC_ROW_S8_H

#include "eq_kernels.h"

/* x holds for each four inputs x0 to x3: x1, x3, 256 x0 - x1 + 127, 256 x2 - x3 + 127; and behind the last
 * the first four once more. A sum begins with a channel's start and `offset`. The field offsets are known to
 * fc_row_s8_lx6.S. */
typedef struct eq_fc_row {
    const int16_t *x;
    const int8_t *weights; /* on a 4-byte boundary */
    int32_t quads;         /* fours of inputs, from one up */
    int32_t outputs;
    const eq_scaled_channel *channels;
    int32_t offset, min, max;
} eq_fc_row;

void eq_fc_row_s8(const eq_fc_row *row, int8_t *output);

/* The same in assembly for cores with MAC16: equal bytes. */
void eq_fc_row_s8_lx6(const eq_fc_row *row, int8_t *output);

#endif
