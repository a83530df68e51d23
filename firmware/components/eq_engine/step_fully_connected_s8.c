#include "step.h"

enum { ROWS, IN_ZERO, OUT_ZERO, LOW, HIGH, WEIGHTS, BIAS, FIXED };

const char *eq_check_fully_connected_s8(eq_call *call) {
    const int32_t *p = call->params;
    if (call->has_second) return "fully_connected_s8 takes one input";
    if (call->params_count < FIXED) return "fully_connected_s8 has a wrong number of parameters";
    if (p[ROWS] < 1 || call->in[0].bytes % (uint32_t)p[ROWS] || call->out.bytes % (uint32_t)p[ROWS])
        return "fully_connected_s8: inputs or outputs that are no rows";
    uint32_t inputs = call->in[0].bytes / (uint32_t)p[ROWS], outputs = call->out.bytes / (uint32_t)p[ROWS];
    if (outputs > UINT16_MAX || call->params_count != FIXED + 2 * outputs)
        return "fully_connected_s8 has a wrong number of parameters";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_output(p + OUT_ZERO))
        return "fully_connected_s8: zero point or clamp out of range";
    if (!eq_are_factors(p + FIXED, p + FIXED + outputs, outputs))
        return "fully_connected_s8: factor out of range";
    if (!eq_set_ranges(call, p + WEIGHTS, (uint64_t)inputs * outputs, outputs))
        return "fully_connected_s8: weights or bias out of place";
    return NULL;
}

void eq_run_fully_connected_s8(const eq_call *call) {
    const int32_t *p = call->params;
    int32_t outputs = (int32_t)call->out.bytes / p[ROWS];
    eq_fully_connected fc = {
        .rows = p[ROWS],
        .inputs = (int32_t)call->in[0].bytes / p[ROWS],
        .outputs = outputs,
        .in_zero_point = p[IN_ZERO],
        .output = eq_output_of(p + OUT_ZERO),
        .multipliers = p + FIXED,
        .shifts = p + FIXED + outputs,
    };
    eq_fully_connected_s8(&fc, call->x[0], call->weights_data, call->bias_data, call->y);
}
