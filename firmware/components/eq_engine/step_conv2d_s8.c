#include "step.h"

enum {
    HEIGHT,
    WIDTH,
    STRIDE_H,
    STRIDE_W,
    DILATION_H,
    DILATION_W,
    TOP,
    LEFT,
    IN_ZERO,
    OUT_ZERO,
    LOW,
    HIGH,
    WEIGHTS,
    BIAS,
    FIXED
};

static eq_window window_of(const int32_t *p) {
    return (eq_window){p[HEIGHT],     p[WIDTH],      p[STRIDE_H], p[STRIDE_W],
                       p[DILATION_H], p[DILATION_W], p[TOP],      p[LEFT]};
}

const char *eq_check_conv2d_s8(eq_call *call) {
    const int32_t *p = call->params;
    uint32_t channels = call->out.dims[3];
    if (call->has_second) return "conv2d_s8 takes one input";
    if (call->params_count != FIXED + 2 * channels) return "conv2d_s8 has a wrong number of parameters";
    eq_window window = window_of(p);
    if (!eq_is_window(&window, &call->in[0], &call->out)) return "conv2d_s8: window or padding out of range";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_output(p + OUT_ZERO))
        return "conv2d_s8: zero point or clamp out of range";
    if (!eq_are_factors(p + FIXED, p + FIXED + channels, channels)) return "conv2d_s8: factor out of range";
    uint64_t taps = (uint64_t)p[HEIGHT] * (uint64_t)p[WIDTH] * call->in[0].dims[3];
    if (!eq_set_ranges(call, p + WEIGHTS, taps * channels, channels))
        return "conv2d_s8: weights or bias out of place";
    return NULL;
}

void eq_run_conv2d_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_conv2d conv = {
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .window = window_of(p),
        .in_zero_point = p[IN_ZERO],
        .output = eq_output_of(p + OUT_ZERO),
        .multipliers = p + FIXED,
        .shifts = p + FIXED + call->out.dims[3],
    };
    eq_conv2d_s8(&conv, call->x[0], call->weights_data, call->bias_data, call->y);
}
