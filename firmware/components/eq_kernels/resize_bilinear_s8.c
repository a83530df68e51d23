#include "eq_numerics.h"

enum { ONE = 1 << 10, BITS = 20 };

/* a and b, weighted by where `distance` lies between them. */
static int32_t between(int32_t a, int32_t b, int32_t distance) {
    return a * (ONE - distance) + b * distance;
}

/* numerics.md#resize: half away from zero, and nothing at zero, as the truncating division does. */
static int8_t rounded(int32_t total) {
    return (int8_t)((total + (total > 0 ? 1 << (BITS - 1) : -(1 << (BITS - 1)))) / (1 << BITS));
}

void eq_resize_bilinear_s8(const eq_resize *p, const int8_t *input, int8_t *output) {
    int32_t channels = p->in.channels, row = p->in.width * channels;
    for (int32_t y = 0; y < p->out.height; y++) {
        const eq_neighbours *v = &p->rows[y];
        for (int32_t x = 0; x < p->out.width; x++) {
            const eq_neighbours *h = &p->columns[x];
            const int8_t *upper = input + v->front * row, *lower = input + v->behind * row;
            int32_t left = h->front * channels, right = h->behind * channels;
            for (int32_t c = 0; c < channels; c++, left++, right++) {
                int32_t above = between(upper[left], upper[right], h->distance);
                int32_t below = between(lower[left], lower[right], h->distance);
                *output++ = rounded(between(above, below, v->distance));
            }
        }
    }
}
