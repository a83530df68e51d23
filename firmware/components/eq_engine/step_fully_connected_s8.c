#include "step.h"

enum { IN_ZERO, OUT_ZERO, LOW, HIGH, WEIGHTS, BIAS, FIXED };

const char *eq_check_fully_connected_s8(eq_call *call) {
    const int32_t *p = call->params;
    uint32_t outputs = call->out.bytes;
    if (call->has_second) return "fully_connected_s8 takes one input";
    if (outputs > UINT16_MAX || call->params_count != FIXED + 2 * outputs)
        return "fully_connected_s8 has a wrong number of parameters";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_output(p + OUT_ZERO))
        return "fully_connected_s8: zero point or clamp out of range";
    if (!eq_are_factors(p + FIXED, p + FIXED + outputs, outputs))
        return "fully_connected_s8: factor out of range";
    if (!eq_set_ranges(call, p + WEIGHTS, (uint64_t)call->in[0].bytes * outputs, outputs))
        return "fully_connected_s8: weights or bias out of place";
    return NULL;
}

void eq_run_fully_connected_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_fully_connected fc = {
        .inputs = (int32_t)call->in[0].bytes,
        .outputs = (int32_t)call->out.bytes,
        .in_zero_point = p[IN_ZERO],
        .output = eq_output_of(p + OUT_ZERO),
        .multipliers = p + FIXED,
        .shifts = p + FIXED + call->out.bytes,
    };
    eq_fully_connected_s8(&fc, call->x[0], call->weights_data, call->bias_data, call->y);
}
