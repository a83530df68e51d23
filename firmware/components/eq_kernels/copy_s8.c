#include <string.h>

#include "eq_kernels.h"

/* The innermost loop. */
static void line(const eq_copy_loop *loop, const int8_t *input, int8_t *output) {
    if (loop->read == 1 && loop->write == 1) {
        memcpy(output, input, (size_t)loop->count);
        return;
    }
    for (int32_t i = 0; i < loop->count; i++) output[i * loop->write] = input[i * loop->read];
}

void eq_copy_s8(const eq_copy *p, const int8_t *input, int8_t *output) {
    const eq_copy_loop *a = &p->loops[0], *b = &p->loops[1], *c = &p->loops[2], *d = &p->loops[3];
    for (int32_t i = 0; i < a->count; i++)
        for (int32_t j = 0; j < b->count; j++)
            for (int32_t k = 0; k < c->count; k++)
                line(d, input + p->first_read + i * a->read + j * b->read + k * c->read,
                     output + p->first_written + i * a->write + j * b->write + k * c->write);
}
