#include "step.h"

enum { A_ZERO, B_ZERO, OUT_ZERO, LOW, HIGH, LEFT_SHIFT, FACTORS, COUNT = FACTORS + 6 };

static const char *check(const eq_call *call) {
    const int32_t *p = call->params;
    if (!eq_are_operands(call)) return "a sum: operands that do not fit";
    if (call->params_count != COUNT) return "a sum has a wrong number of parameters";
    if (!eq_is_int8(p[A_ZERO]) || !eq_is_int8(p[B_ZERO]) || !eq_is_output(p + OUT_ZERO) ||
        !eq_is_between(p[LEFT_SHIFT], 0, 30))
        return "a sum: zero point, clamp or shift out of range";
    for (unsigned i = FACTORS; i < COUNT; i += 2)
        if (!eq_is_factor(p[i], p[i + 1])) return "a sum: factor out of range";
    return NULL;
}

static eq_add add_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_add){
        .operands = eq_operands_of(call),
        .a_zero_point = p[A_ZERO],
        .b_zero_point = p[B_ZERO],
        .left_shift = p[LEFT_SHIFT],
        .a = {p[FACTORS], p[FACTORS + 1]},
        .b = {p[FACTORS + 2], p[FACTORS + 3]},
        .sum = {p[FACTORS + 4], p[FACTORS + 5]},
        .output = eq_output_of(p + OUT_ZERO),
    };
}

const char *eq_check_add_s8(eq_call *call) {
    return check(call);
}

void eq_run_add_s8(const eq_call *call) {
    eq_add add = add_of(call);
    eq_add_s8(&add, call->x[0], call->x[1], call->y);
}

const char *eq_check_sub_s8(eq_call *call) {
    return check(call);
}

void eq_run_sub_s8(const eq_call *call) {
    eq_add sub = add_of(call);
    eq_sub_s8(&sub, call->x[0], call->x[1], call->y);
}
