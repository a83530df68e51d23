#include "step.h"

enum { IN_ZERO, SLOPES_ZERO, OUT_ZERO, IDENTITY, SLOPED = IDENTITY + 2, COUNT = SLOPED + 2 };

const char *eq_check_prelu_s8(eq_call *call) {
    const int32_t *p = call->params;
    if (!eq_are_operands(call)) return "prelu_s8: operands that do not fit";
    if (call->params_count != COUNT) return "prelu_s8 has a wrong number of parameters";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_int8(p[SLOPES_ZERO]) || !eq_is_int8(p[OUT_ZERO]))
        return "prelu_s8: zero point out of range";
    if (!eq_is_factor(p[IDENTITY], p[IDENTITY + 1]) || !eq_is_factor(p[SLOPED], p[SLOPED + 1]))
        return "prelu_s8: factor out of range";
    return NULL;
}

void eq_run_prelu_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_prelu prelu = {
        .operands = eq_operands_of(call),
        .in_zero_point = p[IN_ZERO],
        .slopes_zero_point = p[SLOPES_ZERO],
        .out_zero_point = p[OUT_ZERO],
        .identity = {p[IDENTITY], p[IDENTITY + 1]},
        .sloped = {p[SLOPED], p[SLOPED + 1]},
    };
    eq_prelu_s8(&prelu, call->x[0], call->x[1], call->y);
}
