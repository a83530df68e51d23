#include "step.h"

enum { IN_ZERO, OUT_ZERO, MULTIPLIER, SHIFT, COUNT };

const char *eq_check_mean_s8(eq_call *call) {
    const int32_t *p = call->params;
    if (call->has_second) return "mean_s8 takes one input";
    if (call->params_count != COUNT) return "mean_s8 has a wrong number of parameters";
    if (call->out.bytes != call->in[0].dims[3]) return "mean_s8: channels differ";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_int8(p[OUT_ZERO])) return "mean_s8: zero point out of range";
    if (!eq_is_factor(p[MULTIPLIER], p[SHIFT])) return "mean_s8: factor out of range";
    return NULL;
}

void eq_run_mean_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_mean mean = {eq_shape_of(&call->in[0]), p[IN_ZERO], p[OUT_ZERO], {p[MULTIPLIER], p[SHIFT]}};
    eq_mean_s8(&mean, call->x[0], call->y);
}
