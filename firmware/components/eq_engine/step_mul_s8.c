#include "step.h"

enum { A_ZERO, B_ZERO, OUT_ZERO, LOW, HIGH, MULTIPLIER, SHIFT, COUNT };

const char *eq_check_mul_s8(eq_call *call) {
    const int32_t *p = call->params;
    if (!eq_are_operands(call)) return "mul_s8: operands that do not fit";
    if (call->params_count != COUNT) return "mul_s8 has a wrong number of parameters";
    if (!eq_is_int8(p[A_ZERO]) || !eq_is_int8(p[B_ZERO]) || !eq_is_output(p + OUT_ZERO))
        return "mul_s8: zero point or clamp out of range";
    return eq_is_factor(p[MULTIPLIER], p[SHIFT]) ? NULL : "mul_s8: factor out of range";
}

void eq_run_mul_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_mul mul = {
        .operands = eq_operands_of(call),
        .a_zero_point = p[A_ZERO],
        .b_zero_point = p[B_ZERO],
        .factor = {p[MULTIPLIER], p[SHIFT]},
        .output = eq_output_of(p + OUT_ZERO),
    };
    eq_mul_s8(&mul, call->x[0], call->x[1], call->y);
}
