#include "eq_numerics.h"

/* How far it is to the next matrix, row and column of an operand as it is multiplied. */
typedef struct strides {
    int32_t matrix, row, column;
} strides;

static strides strides_of(const eq_shape *s, bool transposed) {
    int32_t matrix = s->height > 1 ? s->width * s->channels : 0;
    return transposed ? (strides){matrix, 1, s->channels} : (strides){matrix, s->channels, 1};
}

void eq_batch_matmul_s8(const eq_batch_matmul *p, const int8_t *a, const int8_t *b, int8_t *output) {
    const eq_output clamp = {p->out_zero_point, INT8_MIN, INT8_MAX};
    const strides of_a = strides_of(&p->operands.a, p->a_transposed);
    const strides of_b = strides_of(&p->operands.b, p->b_transposed);
    const eq_shape *out = &p->operands.out;
    int32_t inner = p->a_transposed ? p->operands.a.width : p->operands.a.channels;
    for (int32_t m = 0; m < out->height; m++, a += of_a.matrix, b += of_b.matrix) {
        for (int32_t r = 0; r < out->width; r++) {
            for (int32_t c = 0; c < out->channels; c++) {
                const int8_t *x = a + r * of_a.row, *w = b + c * of_b.column;
                uint32_t acc = 0;
                for (int32_t i = 0; i < inner; i++, x += of_a.column, w += of_b.row)
                    acc += (uint32_t)((*x - p->a_zero_point) * (*w - p->b_zero_point));
                *output++ = eq_output_s8((int32_t)acc, p->factor.multiplier, p->factor.shift, &clamp);
            }
        }
    }
}
