#include "scaled_s16.h"
#include "winograd.h"

void eq_winograd_outputs_s8(const eq_winograd_outputs *p) {
    const int32_t *sums = p->sums;
    for (int32_t t = 0; t < p->tiles; t++, sums += p->side * p->side) {
        const eq_winograd_place *place = p->places + t;
        for (int32_t y = 0; y < place->rows; y++)
            for (int32_t x = 0; x < place->columns; x++) {
                int32_t sum = (int32_t)((uint32_t)sums[y * p->side + x] + (uint32_t)p->channel->start);
                p->output[place->offset + y * p->row + x * p->column] =
                    eq_scaled_output(sum, p->channel, p->min, p->max);
            }
    }
}
