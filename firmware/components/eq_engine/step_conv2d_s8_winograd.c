#include "step.h"

enum { TOP, LEFT, IN_ZERO, LOW, HIGH, WEIGHTS, TILES, DEPTH, BLOCK, FIXED };

static eq_conv2d_winograd conv_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_conv2d_winograd){
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .pad_top = p[TOP],
        .pad_left = p[LEFT],
        .in_zero_point = p[IN_ZERO],
        .min = p[LOW],
        .max = p[HIGH],
        .tiles = p[TILES],
        .depth = p[DEPTH],
        .block = p[BLOCK],
        .channels = eq_scaled_channels_of(p + FIXED),
    };
}

static const char *check(eq_call *call, uint64_t (*scratch)(const eq_conv2d_winograd *)) {
    const int32_t *p = call->params;
    uint32_t in = call->in[0].dims[3], out = call->out.dims[3];
    if (call->has_second) return "a convolution by Winograd takes one input";
    if (call->params_count != FIXED + EQ_SCALED_FIELDS * out)
        return "a convolution by Winograd has a wrong number of parameters";
    eq_window window = {3, 3, 1, 1, 1, 1, p[TOP], p[LEFT]};
    if (!eq_is_window(&window, &call->in[0], &call->out))
        return "a convolution by Winograd: padding out of range";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_clamp(p + LOW))
        return "a convolution by Winograd: zero point or clamp out of range";
    if (!eq_are_scaled_channels(p + FIXED, out))
        return "a convolution by Winograd: a channel is out of range";
    const int32_t offsets[2] = {p[WEIGHTS], -1}; /* the bias is in the channels */
    if (!eq_set_ranges(call, offsets, (uint64_t)9 * in * out, out))
        return "a convolution by Winograd: weights out of place";
    if (in % 4 || p[WEIGHTS] % 4) return "a convolution by Winograd: channels or weights are not in fours";
    if (!eq_is_between(p[TILES], 1, UINT16_MAX) || p[DEPTH] % 4 || !eq_is_between(p[DEPTH], 4, (int32_t)in) ||
        !eq_is_between(p[BLOCK], 1, (int32_t)out))
        return "a convolution by Winograd: blocks out of range";
    eq_conv2d_winograd conv = conv_of(call);
    if (scratch(&conv) > call->scratch_bytes)
        return "a convolution by Winograd: the plan's scratch is too small";
    return NULL;
}

const char *eq_check_conv2d_s8_winograd2(eq_call *call) {
    return check(call, eq_conv2d_s8_winograd2_scratch);
}

void eq_run_conv2d_s8_winograd2(const eq_call *call) {
    eq_conv2d_winograd conv = conv_of(call);
    eq_conv2d_s8_winograd2(&conv, call->x[0], call->weights_data, call->y, call->scratch);
}

const char *eq_check_conv2d_s8_winograd4(eq_call *call) {
    return check(call, eq_conv2d_s8_winograd4_scratch);
}

void eq_run_conv2d_s8_winograd4(const eq_call *call) {
    eq_conv2d_winograd conv = conv_of(call);
    eq_conv2d_s8_winograd4(&conv, call->x[0], call->weights_data, call->y, call->scratch);
}
