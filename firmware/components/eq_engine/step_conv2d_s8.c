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

/* `depth`: how many input channels an output channel reads. */
static const char *check(eq_call *call, uint32_t depth) {
    const int32_t *p = call->params;
    uint32_t channels = call->out.dims[3];
    if (call->has_second) return "a convolution takes one input";
    if (call->params_count != FIXED + 2 * channels) return "a convolution has a wrong number of parameters";
    eq_window window = window_of(p);
    if (!eq_is_window(&window, &call->in[0], &call->out))
        return "a convolution: window or padding out of range";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_output(p + OUT_ZERO))
        return "a convolution: zero point or clamp out of range";
    if (!eq_are_factors(p + FIXED, p + FIXED + channels, channels))
        return "a convolution: factor out of range";
    uint64_t taps = (uint64_t)p[HEIGHT] * (uint64_t)p[WIDTH] * depth;
    if (!eq_set_ranges(call, p + WEIGHTS, taps * channels, channels))
        return "a convolution: weights or bias out of place";
    return NULL;
}

static eq_conv2d conv_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_conv2d){
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .window = window_of(p),
        .in_zero_point = p[IN_ZERO],
        .output = eq_output_of(p + OUT_ZERO),
        .multipliers = p + FIXED,
        .shifts = p + FIXED + call->out.dims[3],
    };
}

const char *eq_check_conv2d_s8(eq_call *call) {
    return check(call, call->in[0].dims[3]);
}

void eq_run_conv2d_s8(const eq_call *call) {
    eq_conv2d conv = conv_of(call);
    eq_conv2d_s8(&conv, call->x[0], call->weights_data, call->bias_data, call->y);
}

const char *eq_check_depthwise_conv2d_s8(eq_call *call) {
    if (call->out.dims[3] % call->in[0].dims[3]) return "a depthwise convolution: channels do not divide";
    return check(call, 1);
}

void eq_run_depthwise_conv2d_s8(const eq_call *call) {
    eq_conv2d conv = conv_of(call);
    eq_depthwise_conv2d_s8(&conv, call->x[0], call->weights_data, call->bias_data, call->y);
}
