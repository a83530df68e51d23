#include "step.h"

enum { ROWS, LOW, HIGH, WEIGHTS, FIXED };

const char *eq_check_fully_connected_s8_mac16(eq_call *call) {
    const int32_t *p = call->params;
    if (call->has_second) return "fully_connected_s8_mac16 takes one input";
    if (call->params_count < FIXED) return "fully_connected_s8_mac16 has a wrong number of parameters";
    if (p[ROWS] < 1 || call->in[0].bytes % (uint32_t)p[ROWS] || call->out.bytes % (uint32_t)p[ROWS])
        return "fully_connected_s8_mac16: inputs or outputs that are no rows";
    uint32_t inputs = call->in[0].bytes / (uint32_t)p[ROWS], outputs = call->out.bytes / (uint32_t)p[ROWS];
    if (outputs > UINT16_MAX || call->params_count != FIXED + EQ_SCALED_FIELDS * outputs)
        return "fully_connected_s8_mac16 has a wrong number of parameters";
    if (!eq_is_clamp(p + LOW)) return "fully_connected_s8_mac16: clamp out of range";
    if (!eq_are_scaled_channels(p + FIXED, outputs))
        return "fully_connected_s8_mac16: a channel is out of range";
    const int32_t offsets[2] = {p[WEIGHTS], -1}; /* the bias is in the channels */
    if (!eq_set_ranges(call, offsets, (uint64_t)inputs * outputs, outputs))
        return "fully_connected_s8_mac16: weights out of place";
    if (inputs % 4 || p[WEIGHTS] % 4) return "fully_connected_s8_mac16: inputs and weights come in fours";
    if (2 * (uint64_t)inputs + 8 > call->scratch_bytes)
        return "fully_connected_s8_mac16: the plan's scratch is too small";
    return NULL;
}

void eq_run_fully_connected_s8_mac16(const eq_call *call) {
    const int32_t *p = call->params;
    eq_fully_connected_mac16 fc = {
        .rows = p[ROWS],
        .inputs = (int32_t)call->in[0].bytes / p[ROWS],
        .outputs = (int32_t)call->out.bytes / p[ROWS],
        .min = p[LOW],
        .max = p[HIGH],
        .channels = eq_scaled_channels_of(p + FIXED),
    };
    eq_fully_connected_s8_mac16(&fc, call->x[0], call->weights_data, call->y, call->scratch);
}
