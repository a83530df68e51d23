#include "winograd.h"
#include "winograd_dot.h"

/* From one row or column of products to two sums times 2. */
static void sums_of(const uint32_t *m, uint32_t *y) {
    y[0] = 2 * m[0] + m[3] + m[2];
    y[1] = 2 * m[1] + m[3] - m[2];
}

void eq_winograd2_tiles(const eq_winograd_tiles *p) {
    int32_t n = 4 * p->groups;
    const int16_t *x = p->x;
    for (int32_t t = 0; t < p->tiles; t++) {
        const int16_t *w = p->w;
        uint32_t across[2][4], down[2][2];
        for (int32_t i = 0; i < 4; i++) {
            uint32_t products[4], y[2];
            for (int32_t j = 0; j < 4; j++, x += n, w += n) products[j] = eq_winograd_dot(x, w, n);
            sums_of(products, y);
            for (int32_t q = 0; q < 2; q++) across[q][i] = y[q];
        }
        for (int32_t q = 0; q < 2; q++) sums_of(across[q], down[q]);
        for (int32_t i = 0; i < 4; i++)
            eq_winograd_put(p->sums + 4 * t + i, down[i % 2][i / 2], p->corrections[4 * t + i], p->shift,
                            p->adds);
    }
}
