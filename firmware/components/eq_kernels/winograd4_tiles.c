#include "winograd.h"
#include "winograd_dot.h"

enum { INVERSE_OF_9 = 0x38E38E39 }; /* modulo 2^32 */

/* From one row or column of products to four sums times 24, 12, 6 and 6: A transposed, its columns times what
 * G has more, signs as winograd4_input.c turns them. */
static void sums_of(const uint32_t *m, uint32_t *y) {
    uint32_t m0 = m[0], m5 = m[1], m2 = m[2], m1 = m[3], m3 = m[4], m4 = m[5];
    uint32_t sum = m1 + m2, difference = m1 - m2, more = m4 - m3, less = m3 + m4;
    y[0] = 6 * m0 + 4 * difference + more;
    y[1] = 2 * sum - less;
    y[2] = difference + more;
    y[3] = sum + 2 * (3 * m5 - less);
}

void eq_winograd4_tiles(const eq_winograd_tiles *p) {
    static const int32_t LEFT[4] = {0, 1, 2, 2}; /* what brings 24, 12, 6 and 6 to 24 */
    int32_t n = 4 * p->groups;
    const int16_t *x = p->x;
    for (int32_t t = 0; t < p->tiles; t++) {
        const int16_t *w = p->w;
        uint32_t across[4][6], down[4][4];
        for (int32_t i = 0; i < 6; i++) {
            uint32_t products[6], y[4];
            for (int32_t j = 0; j < 6; j++, x += n, w += n) products[j] = eq_winograd_dot(x, w, n);
            sums_of(products, y);
            for (int32_t q = 0; q < 4; q++) across[q][i] = y[q];
        }
        for (int32_t q = 0; q < 4; q++) sums_of(across[q], down[q]);
        for (int32_t i = 0; i < 16; i++) {
            uint32_t y64 = (down[i % 4][i / 4] << (LEFT[i % 4] + LEFT[i / 4])) * (uint32_t)INVERSE_OF_9;
            eq_winograd_put(p->sums + 16 * t + i, y64, p->corrections[16 * t + i], p->shift, p->adds);
        }
    }
}
