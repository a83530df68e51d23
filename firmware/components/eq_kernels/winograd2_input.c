#include "winograd_input.h"

/* B transposed in the order of positions. */
static const int32_t FACTORS[4 * 4] = {
    1, 0,  -1, 0, /* */
    0, -1, 0,  1, /* */
    0, -1, 1,  0, /* */
    0, 1,  1,  0,
};

void eq_winograd2_input(const eq_winograd_patch *p) {
    eq_winograd_input(p, FACTORS, 4);
}
