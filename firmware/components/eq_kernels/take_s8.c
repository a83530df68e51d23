#include <string.h>

#include "eq_kernels.h"

void eq_take_s8(const eq_take *p, const int8_t *input, int8_t *output) {
    for (int32_t y = 0; y < p->out.height; y++) {
        const int8_t *line = input + p->rows[y] * p->in.width * p->in.channels;
        for (int32_t x = 0; x < p->out.width; x++, output += p->out.channels) {
            const int8_t *pixel = line + p->columns[x] * p->in.channels;
            if (!p->channels) {
                memcpy(output, pixel, (size_t)p->out.channels);
                continue;
            }
            for (int32_t c = 0; c < p->out.channels; c++) output[c] = pixel[p->channels[c]];
        }
    }
}
