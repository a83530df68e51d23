#include "step.h"

enum { IN_ZERO = EQ_WINDOW_FIELDS, OUT_ZERO, LOW, HIGH, WEIGHTS, BIAS, FIXED };

/* `depth`: how many input channels an output channel reads; `more`: parameters behind the factors. */
static const char *check_but_window(eq_call *call, uint32_t depth, uint32_t more) {
    const int32_t *p = call->params;
    uint32_t channels = call->out.dims[3];
    if (call->has_second) return "a convolution takes one input";
    if (call->params_count != FIXED + 2 * channels + more)
        return "a convolution has a wrong number of parameters";
    eq_window window = eq_window_of(p);
    if (!eq_is_between(window.height, 1, EQ_WINDOW_MAX) || !eq_is_between(window.width, 1, EQ_WINDOW_MAX))
        return "a convolution: window out of range";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_output(p + OUT_ZERO))
        return "a convolution: zero point or clamp out of range";
    if (!eq_are_factors(p + FIXED, p + FIXED + channels, channels))
        return "a convolution: factor out of range";
    uint64_t taps = (uint64_t)window.height * (uint64_t)window.width * depth;
    if (!eq_set_ranges(call, p + WEIGHTS, taps * channels, channels))
        return "a convolution: weights or bias out of place";
    return NULL;
}

static const char *check(eq_call *call, uint32_t depth, uint32_t more) {
    const char *what = check_but_window(call, depth, more);
    if (what) return what;
    eq_window window = eq_window_of(call->params);
    return eq_is_window(&window, &call->in[0], &call->out) ? NULL
                                                           : "a convolution: window or padding out of range";
}

static eq_conv2d conv_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_conv2d){
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .window = eq_window_of(p),
        .in_zero_point = p[IN_ZERO],
        .output = eq_output_of(p + OUT_ZERO),
        .multipliers = p + FIXED,
        .shifts = p + FIXED + call->out.dims[3],
    };
}

const char *eq_check_conv2d_s8(eq_call *call) {
    return check(call, call->in[0].dims[3], 0);
}

void eq_run_conv2d_s8(const eq_call *call) {
    eq_conv2d conv = conv_of(call);
    eq_conv2d_s8(&conv, call->x[0], call->weights_data, call->bias_data, call->y);
}

const char *eq_check_depthwise_conv2d_s8(eq_call *call) {
    if (call->out.dims[3] % call->in[0].dims[3]) return "a depthwise convolution: channels do not divide";
    return check(call, 1, 0);
}

void eq_run_depthwise_conv2d_s8(const eq_call *call) {
    eq_conv2d conv = conv_of(call);
    eq_depthwise_conv2d_s8(&conv, call->x[0], call->weights_data, call->bias_data, call->y);
}

const char *eq_check_depthwise3x3_s8(eq_call *call) {
    const char *what = eq_check_depthwise_conv2d_s8(call);
    if (what) return what;
    eq_window window = eq_window_of(call->params);
    if (window.height != 3 || window.width != 3 || window.dilation_h != 1 || window.dilation_w != 1 ||
        window.stride_h > 2 || window.stride_w > 2)
        return "depthwise3x3_s8: another window";
    return NULL;
}

void eq_run_depthwise3x3_s8(const eq_call *call) {
    eq_conv2d conv = conv_of(call);
    eq_depthwise3x3_s8(&conv, call->x[0], call->weights_data, call->bias_data, call->y);
}

/* The last parameter. */
static int32_t groups_of(const eq_call *call) {
    return call->params_count ? call->params[call->params_count - 1] : 0;
}

const char *eq_check_grouped_conv2d_s8(eq_call *call) {
    int32_t groups = groups_of(call), in = call->in[0].dims[3], out = call->out.dims[3];
    if (groups < 1 || in % groups || out % groups) return "a grouped convolution: channels do not divide";
    return check(call, (uint32_t)(in / groups), 1);
}

void eq_run_grouped_conv2d_s8(const eq_call *call) {
    eq_conv2d conv = conv_of(call);
    eq_grouped_conv2d_s8(&conv, groups_of(call), call->x[0], call->weights_data, call->bias_data, call->y);
}

const char *eq_check_transpose_conv_s8(eq_call *call) {
    const char *what = check_but_window(call, call->in[0].dims[3], 0);
    if (what) return what;
    eq_window window = eq_window_of(call->params); /* which moves over the output */
    if (!eq_is_window(&window, &call->out, &call->in[0]) || window.dilation_h != 1 || window.dilation_w != 1)
        return "a transposed convolution: window or padding out of range";
    return NULL;
}

void eq_run_transpose_conv_s8(const eq_call *call) {
    eq_conv2d conv = conv_of(call);
    eq_transpose_conv_s8(&conv, call->x[0], call->weights_data, call->bias_data, call->y);
}
