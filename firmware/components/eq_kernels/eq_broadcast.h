/* Two operands that are broadcast over one output, as rows that kernels walk along. numerics.md#broadcast */
#ifndef EQ_BROADCAST_H
#define EQ_BROADCAST_H

#include "eq_kernels.h"

/* How far an operand moves for a step along height, width and channels: 0 where it is broadcast. */
typedef struct eq_strides {
    int32_t height, width, channels;
} eq_strides;

static inline eq_strides eq_strides_of(const eq_shape *s) {
    return (eq_strides){s->height > 1 ? s->width * s->channels : 0, s->width > 1 ? s->channels : 0,
                        s->channels > 1};
}

static inline bool eq_same_shapes(const eq_shape *a, const eq_shape *b) {
    return a->height == b->height && a->width == b->width && a->channels == b->channels;
}

/* One row of the output: `step` of an operand is 1, or 0 where it stays at one element. */
typedef void (*eq_row)(const void *p, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                       int8_t *output, int32_t n);

/* Calls `row` for all of the output: once where nothing is broadcast. */
static inline void eq_for_rows(const eq_operands *shapes, eq_row row, const void *p, const int8_t *a,
                               const int8_t *b, int8_t *output) {
    const eq_shape *out = &shapes->out;
    if (eq_same_shapes(&shapes->a, out) && eq_same_shapes(&shapes->b, out)) {
        row(p, a, 1, b, 1, output, out->height * out->width * out->channels);
        return;
    }
    eq_strides sa = eq_strides_of(&shapes->a), sb = eq_strides_of(&shapes->b);
    for (int32_t y = 0; y < out->height; y++) {
        for (int32_t x = 0; x < out->width; x++, output += out->channels) {
            row(p, a + y * sa.height + x * sa.width, sa.channels, b + y * sb.height + x * sb.width,
                sb.channels, output, out->channels);
        }
    }
}

#endif
