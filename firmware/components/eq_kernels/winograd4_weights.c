#include "winograd.h"
#include "winograd_weights.h"

/* G scaled row by row to integers, in the order of positions: true rows times 4, 1, -6, -6, 24, 24. */
static const int32_t FACTORS[6][3] = {{1, 0, 0}, {0, 0, 1}, {1, -1, 1}, {1, 1, 1}, {1, 2, 4}, {1, -2, 4}};

void eq_winograd4_weights(const int8_t *taps, int32_t stride, int32_t channels, int16_t *to) {
    eq_winograd_weights(FACTORS, 6, taps, stride, channels, to);
}
