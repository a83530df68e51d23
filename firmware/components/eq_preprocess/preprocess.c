#include "eq_preprocess.h"

enum { WEIGHT_BITS = 12, WEIGHT_ONE = 1 << WEIGHT_BITS, SHIFT = 2 * WEIGHT_BITS + 22 };

/* A target's two source indices, and the second one's weight of WEIGHT_ONE. */
typedef struct position {
    uint32_t below, above, weight;
} position;

/* Pixel centres lie at half integers; all is counted in 1 / (2 * wanted) of a source pixel. */
static position locate(uint32_t index, uint32_t size, uint32_t wanted, eq_resize method) {
    uint32_t unit = 2 * wanted, centre = (2 * index + 1) * size, last = unit * (size - 1);
    if (method == EQ_NEAREST) return (position){centre / unit, centre / unit, 0};
    uint32_t from_first = centre > wanted ? centre - wanted : 0;
    if (from_first > last) from_first = last;
    uint32_t below = from_first / unit, part = from_first - below * unit;
    return (position){below, below + (below + 1 < size), ((part << WEIGHT_BITS) + wanted) / unit};
}

static uint32_t mix(uint32_t below, uint32_t above, uint32_t weight) {
    return below * (WEIGHT_ONE - weight) + above * weight;
}

/* 8 bits and 2 * WEIGHT_BITS fractional bits: exact, and just in 32 bits. `corner` is a channel of the four
 * pixels: top left, top right, bottom left, bottom right. */
static uint32_t resample(const uint8_t *const corner[4], uint32_t channel, position row, position column) {
    return mix(mix(corner[0][channel], corner[1][channel], column.weight),
               mix(corner[2][channel], corner[3][channel], column.weight), row.weight);
}

/* ITU-R BT.601's luma. */
static uint32_t grey(const uint32_t rgb[3]) {
    return (uint32_t)((77 * (uint64_t)rgb[0] + 150 * (uint64_t)rgb[1] + 29 * (uint64_t)rgb[2]) >> 8);
}

static int8_t quantise(const eq_preprocess *p, uint32_t channel, uint32_t value) {
    int64_t steps = ((int64_t)value * p->multiplier[channel] + p->offset[channel]) >> SHIFT;
    return (int8_t)(steps < -128 ? -128 : steps > 127 ? 127 : steps);
}

uint32_t eq_picture_bytes(uint32_t height, uint32_t width, uint32_t channels) {
    if (height > EQ_SIDE_MOST || width > EQ_SIDE_MOST || (channels != 1 && channels != 3)) return 0;
    return height * width * channels;
}

void eq_preprocess_run(const eq_preprocess *p, const eq_picture *picture, int8_t *input) {
    uint32_t from = picture->channels, stride = picture->width * from;
    for (uint32_t y = 0; y < p->height; y++) {
        position row = locate(y, picture->height, p->height, p->method);
        const uint8_t *top = picture->pixels + row.below * stride,
                      *bottom = picture->pixels + row.above * stride;
        for (uint32_t x = 0; x < p->width; x++) {
            position column = locate(x, picture->width, p->width, p->method);
            const uint8_t *const corner[4] = {top + column.below * from, top + column.above * from,
                                              bottom + column.below * from, bottom + column.above * from};
            uint32_t value[EQ_PREPROCESS_CHANNELS];
            for (uint32_t c = 0; c < from; c++) value[c] = resample(corner, c, row, column);
            if (from > p->channels) value[0] = grey(value);
            for (uint32_t c = 0; c < p->channels; c++)
                *input++ = quantise(p, c, value[from == p->channels ? c : 0]);
        }
    }
}
