#include "step.h"

enum { TOP, LEFT, VALUE, COUNT };

const char *eq_check_pad_s8(eq_call *call) {
    const int32_t *p = call->params;
    const uint16_t *in = call->in[0].dims, *out = call->out.dims;
    if (call->has_second) return "pad_s8 takes one input";
    if (call->params_count != COUNT) return "pad_s8 has a wrong number of parameters";
    if (in[3] != out[3]) return "pad_s8: channels differ";
    if (!eq_is_between(p[TOP], 0, EQ_WINDOW_MAX) || !eq_is_between(p[LEFT], 0, EQ_WINDOW_MAX) ||
        p[TOP] + in[1] > out[1] || p[LEFT] + in[2] > out[2])
        return "pad_s8: padding out of range";
    return eq_is_int8(p[VALUE]) ? NULL : "pad_s8: value out of range";
}

void eq_run_pad_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_pad pad = {eq_shape_of(&call->in[0]), eq_shape_of(&call->out), p[TOP], p[LEFT], (int8_t)p[VALUE]};
    eq_pad_s8(&pad, call->x[0], call->y);
}
