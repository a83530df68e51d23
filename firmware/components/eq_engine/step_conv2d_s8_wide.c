#include "step.h"

enum {
    IN_ZERO = EQ_WINDOW_FIELDS,
    LOW,
    HIGH,
    WEIGHTS,
    AT_A_TIME, /* pixels or rows of the output */
    WEIGHT_SHIFT,
    FIXED
};

/* What both kernels have in common. */
static const char *check(eq_call *call) {
    const int32_t *p = call->params;
    uint32_t channels = call->out.dims[3];
    if (call->has_second) return "a widened convolution takes one input";
    if (call->params_count != FIXED + EQ_SCALED_FIELDS * channels)
        return "a widened convolution has a wrong number of parameters";
    eq_window window = eq_window_of(p);
    if (!eq_is_window(&window, &call->in[0], &call->out))
        return "a widened convolution: window or padding out of range";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_clamp(p + LOW))
        return "a widened convolution: zero point or clamp out of range";
    if (!eq_are_scaled_channels(p + FIXED, channels))
        return "a widened convolution: a channel is out of range";
    uint64_t taps = (uint64_t)window.height * (uint64_t)window.width * call->in[0].dims[3];
    const int32_t offsets[2] = {p[WEIGHTS], -1}; /* the bias is in the channels */
    if (!eq_set_ranges(call, offsets, taps * channels, channels))
        return "a widened convolution: weights out of place";
    if (p[WEIGHT_SHIFT] != 2 && p[WEIGHT_SHIFT] != 8)
        return "a widened convolution: the weights' shift is 2 or 8";
    return NULL;
}

static eq_conv2d_mac16 lines_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_conv2d_mac16){
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .window = eq_window_of(p),
        .in_zero_point = p[IN_ZERO],
        .min = p[LOW],
        .max = p[HIGH],
        .rows = p[AT_A_TIME],
        .weight_shift = p[WEIGHT_SHIFT],
        .channels = eq_scaled_channels_of(p + FIXED),
    };
}

const char *eq_check_conv2d_s8_mac16(eq_call *call) {
    const char *what = check(call);
    if (what) return what;
    eq_conv2d_mac16 conv = lines_of(call);
    if (conv.in.channels % 4 || conv.window.dilation_w != 1)
        return "conv2d_s8_mac16: channels come in fours, and rows of a window in one piece";
    if (!eq_is_between(conv.rows, 1, conv.out.height)) return "conv2d_s8_mac16: rows out of range";
    if (eq_conv2d_s8_mac16_scratch(&conv) > call->scratch_bytes)
        return "conv2d_s8_mac16: the plan's scratch is too small";
    return NULL;
}

void eq_run_conv2d_s8_mac16(const eq_call *call) {
    eq_conv2d_mac16 conv = lines_of(call);
    eq_conv2d_s8_mac16(&conv, call->x[0], call->weights_data, call->y, call->scratch);
}

static eq_conv2d_gather windows_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_conv2d_gather){
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .window = eq_window_of(p),
        .in_zero_point = p[IN_ZERO],
        .min = p[LOW],
        .max = p[HIGH],
        .pixels = p[AT_A_TIME],
        .weight_shift = p[WEIGHT_SHIFT],
        .channels = eq_scaled_channels_of(p + FIXED),
    };
}

const char *eq_check_conv2d_s8_gather(eq_call *call) {
    const char *what = check(call);
    if (what) return what;
    int32_t pixels = call->params[AT_A_TIME];
    if (pixels < 1 || (uint32_t)pixels > (uint32_t)call->out.dims[1] * call->out.dims[2])
        return "conv2d_s8_gather: pixels out of range";
    eq_conv2d_gather conv = windows_of(call);
    if (eq_conv2d_s8_gather_scratch(&conv) > call->scratch_bytes)
        return "conv2d_s8_gather: the plan's scratch is too small";
    return NULL;
}

void eq_run_conv2d_s8_gather(const eq_call *call) {
    eq_conv2d_gather conv = windows_of(call);
    eq_conv2d_s8_gather(&conv, call->x[0], call->weights_data, call->y, call->scratch);
}
