#include "winograd_input.h"

/* B transposed in the order of positions; rows 1 and 3, here the fourth and the fifth, with their signs
 * turned. */
static const int32_t FACTORS[6 * 6] = {
    4, 0, -5, 0,  1,  0, /* */
    0, 4, 0,  -5, 0,  1, /* */
    0, 4, -4, -1, 1,  0, /* */
    0, 4, 4,  -1, -1, 0, /* */
    0, 2, 1,  -2, -1, 0, /* */
    0, 2, -1, -2, 1,  0,
};

void eq_winograd4_input(const eq_winograd_patch *p) {
    eq_winograd_input(p, FACTORS, 6);
}
