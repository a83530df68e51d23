#include "step.h"

enum { TOP, LEFT, FRONT, VALUE, COUNT };

const char *eq_check_pad_s8(eq_call *call) {
    const int32_t *p = call->params;
    const uint16_t *in = call->in[0].dims, *out = call->out.dims;
    if (call->has_second) return "pad_s8 takes one input";
    if (call->params_count != COUNT) return "pad_s8 has a wrong number of parameters";
    for (int i = TOP; i <= FRONT; i++)
        if (!eq_is_between(p[i], 0, EQ_WINDOW_MAX) || p[i] + in[1 + i] > out[1 + i])
            return "pad_s8: padding out of range";
    return eq_is_int8(p[VALUE]) ? NULL : "pad_s8: value out of range";
}

void eq_run_pad_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_pad pad = {.in = eq_shape_of(&call->in[0]),
                  .out = eq_shape_of(&call->out),
                  .top = p[TOP],
                  .left = p[LEFT],
                  .front = p[FRONT],
                  .value = (int8_t)p[VALUE]};
    eq_pad_s8(&pad, call->x[0], call->y);
}
