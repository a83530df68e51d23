#include <string.h>

#include "eq_kernels.h"

void eq_pad_s8(const eq_pad *p, const int8_t *input, int8_t *output) {
    int32_t out_row = p->out.width * p->out.channels;
    memset(output, p->value, (size_t)(p->out.height * out_row));
    for (int32_t y = 0; y < p->in.height; y++) {
        int8_t *line = output + (y + p->top) * out_row + p->left * p->out.channels + p->front;
        for (int32_t x = 0; x < p->in.width; x++, input += p->in.channels)
            memcpy(line + x * p->out.channels, input, (size_t)p->in.channels);
    }
}
