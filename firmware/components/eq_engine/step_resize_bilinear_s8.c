#include "step.h"

enum { FIELDS = 3, BEFORE = -512, BEHIND = 1024 }; /* the kernel's sums stay below 2^31 with such distances */

_Static_assert(sizeof(eq_neighbours) == FIELDS * sizeof(int32_t), "neighbours are read in place");

static bool are_neighbours(const int32_t *p, uint32_t count, uint32_t size) {
    for (uint32_t i = 0; i < count; i++, p += FIELDS) {
        int32_t last = (int32_t)size - 1;
        if (!eq_is_between(p[0], 0, last) || !eq_is_between(p[1], 0, last) ||
            !eq_is_between(p[2], BEFORE, BEHIND))
            return false;
    }
    return true;
}

const char *eq_check_resize_bilinear_s8(eq_call *call) {
    const uint16_t *in = call->in[0].dims, *out = call->out.dims;
    if (call->has_second) return "resize_bilinear_s8 takes one input";
    if (call->params_count != FIELDS * ((uint32_t)out[1] + out[2]))
        return "resize_bilinear_s8 has a wrong number of parameters";
    if (in[3] != out[3]) return "resize_bilinear_s8: channels differ";
    if (!are_neighbours(call->params, out[1], in[1]) ||
        !are_neighbours(call->params + FIELDS * out[1], out[2], in[2]))
        return "resize_bilinear_s8: neighbour or distance out of range";
    return NULL;
}

void eq_run_resize_bilinear_s8(const eq_call *call) {
    const eq_neighbours *rows = (const eq_neighbours *)(const void *)call->params;
    eq_resize resize = {eq_shape_of(&call->in[0]), eq_shape_of(&call->out), rows, rows + call->out.dims[1]};
    eq_resize_bilinear_s8(&resize, call->x[0], call->y);
}
