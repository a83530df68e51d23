#include "step.h"

enum { A_ZERO, B_ZERO, LOW, HIGH, TAIL, COUNT = TAIL + EQ_SCALED_FIELDS };

const char *eq_check_mul_s8_scaled(eq_call *call) {
    const int32_t *p = call->params;
    if (!eq_are_operands(call)) return "mul_s8_scaled: operands that do not fit";
    if (call->params_count != COUNT) return "mul_s8_scaled has a wrong number of parameters";
    if (!eq_is_int8(p[A_ZERO]) || !eq_is_int8(p[B_ZERO]) || !eq_is_clamp(p + LOW))
        return "mul_s8_scaled: zero point or clamp out of range";
    return eq_are_scaled_channels(p + TAIL, 1) ? NULL : "mul_s8_scaled: factor out of range";
}

void eq_run_mul_s8_scaled(const eq_call *call) {
    const int32_t *p = call->params;
    eq_mul_scaled mul = {
        .a_zero_point = p[A_ZERO],
        .b_zero_point = p[B_ZERO],
        .min = p[LOW],
        .max = p[HIGH],
        .tail = *eq_scaled_channels_of(p + TAIL),
        .operands = eq_operands_of(call),
    };
    eq_mul_s8_scaled(&mul, call->x[0], call->x[1], call->y);
}
