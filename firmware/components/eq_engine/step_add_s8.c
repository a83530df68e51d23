#include "step.h"

enum { A_ZERO, B_ZERO, OUT_ZERO, LOW, HIGH, LEFT_SHIFT, FACTORS, COUNT = FACTORS + 6 };

const char *eq_check_add_s8(eq_call *call) {
    const int32_t *p = call->params;
    if (!call->has_second) return "add_s8 takes two inputs";
    if (call->params_count != COUNT) return "add_s8 has a wrong number of parameters";
    if (!eq_same_shape(&call->in[0], &call->out) || !eq_same_shape(&call->in[1], &call->out))
        return "add_s8: shapes differ";
    if (!eq_is_int8(p[A_ZERO]) || !eq_is_int8(p[B_ZERO]) || !eq_is_output(p + OUT_ZERO) ||
        !eq_is_between(p[LEFT_SHIFT], 0, 30))
        return "add_s8: zero point, clamp or shift out of range";
    for (unsigned i = FACTORS; i < COUNT; i += 2)
        if (!eq_is_factor(p[i], p[i + 1])) return "add_s8: factor out of range";
    return NULL;
}

void eq_run_add_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_add add = {
        .elements = (int32_t)call->out.bytes,
        .a_zero_point = p[A_ZERO],
        .b_zero_point = p[B_ZERO],
        .left_shift = p[LEFT_SHIFT],
        .a = {p[FACTORS], p[FACTORS + 1]},
        .b = {p[FACTORS + 2], p[FACTORS + 3]},
        .sum = {p[FACTORS + 4], p[FACTORS + 5]},
        .output = eq_output_of(p + OUT_ZERO),
    };
    eq_add_s8(&add, call->x[0], call->x[1], call->y);
}
