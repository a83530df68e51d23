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
    LOW,
    HIGH,
    WEIGHTS,
    LINES, /* of the output at a time */
    TURNED,
    WEIGHT_SHIFT,
    FIXED
};

static eq_depthwise_mac16 depthwise_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_depthwise_mac16){
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .window = {p[HEIGHT], p[WIDTH], p[STRIDE_H], p[STRIDE_W], p[DILATION_H], p[DILATION_W], p[TOP],
                   p[LEFT]},
        .in_zero_point = p[IN_ZERO],
        .min = p[LOW],
        .max = p[HIGH],
        .lines = p[LINES],
        .turned = p[TURNED],
        .weight_shift = p[WEIGHT_SHIFT],
        .channels = eq_scaled_channels_of(p + FIXED),
    };
}

static const char *check(eq_call *call) {
    const int32_t *p = call->params;
    uint32_t channels = call->out.dims[3];
    if (call->has_second) return "a depthwise convolution takes one input";
    if (channels % call->in[0].dims[3]) return "a depthwise convolution: channels do not divide";
    if (call->params_count != FIXED + EQ_SCALED_FIELDS * channels)
        return "a depthwise convolution by planes has a wrong number of parameters";
    if (!eq_is_between(p[TURNED], 0, 1) || !eq_is_between(p[LINES], 1, call->out.dims[p[TURNED] ? 2 : 1]))
        return "a depthwise convolution by planes: lines out of range";
    eq_window window = depthwise_of(call).window;
    if (!eq_is_window(&window, &call->in[0], &call->out))
        return "a depthwise convolution by planes: window or padding out of range";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_int8(p[LOW]) || !eq_is_int8(p[HIGH]) || p[LOW] > p[HIGH])
        return "a depthwise convolution by planes: zero point or clamp out of range";
    if (!eq_are_scaled_channels(p + FIXED, channels))
        return "a depthwise convolution by planes: a channel is out of range";
    if (p[WEIGHT_SHIFT] != 2 && p[WEIGHT_SHIFT] != 8)
        return "a depthwise convolution by planes: the weights' shift is 2 or 8";
    const int32_t offsets[2] = {p[WEIGHTS], -1}; /* the bias is in the channels */
    if (!eq_set_ranges(call, offsets, (uint64_t)p[HEIGHT] * (uint64_t)p[WIDTH] * channels, channels))
        return "a depthwise convolution by planes: weights out of place";
    return NULL;
}

const char *eq_check_depthwise3x3_s8_mac16(eq_call *call) {
    const char *what = check(call);
    if (what) return what;
    const int32_t *p = call->params;
    if (p[HEIGHT] != 3 || p[WIDTH] != 3 || p[DILATION_H] != 1 || p[DILATION_W] != 1)
        return "depthwise3x3_s8_mac16: another window";
    if (!eq_is_between(p[STRIDE_H], 1, 2) || !eq_is_between(p[STRIDE_W], 1, 2) || p[WEIGHT_SHIFT] != 2)
        return "depthwise3x3_s8_mac16: stride or shift out of range";
    eq_depthwise_mac16 depthwise = depthwise_of(call);
    for (uint32_t i = 0; i < call->out.dims[3]; i++) {
        int64_t less = (int64_t)depthwise.channels[i].up - depthwise.channels[i].down;
        if (less != 0 && less != 2) return "depthwise3x3_s8_mac16: a channel rounds in another way";
    }
    if (eq_depthwise3x3_s8_mac16_scratch(&depthwise) > call->scratch_bytes)
        return "depthwise3x3_s8_mac16: the plan's scratch is too small";
    return NULL;
}

void eq_run_depthwise3x3_s8_mac16(const eq_call *call) {
    eq_depthwise_mac16 depthwise = depthwise_of(call);
    eq_depthwise3x3_s8_mac16(&depthwise, call->x[0], call->weights_data, call->y, call->scratch);
}

const char *eq_check_depthwise_s8_mac16(eq_call *call) {
    const char *what = check(call);
    if (what) return what;
    eq_depthwise_mac16 depthwise = depthwise_of(call);
    const eq_window *win = &depthwise.window;
    int32_t size = depthwise.turned ? win->height : win->width;
    int32_t dilation = depthwise.turned ? win->dilation_h : win->dilation_w;
    if ((size - 1) * dilation + 1 > EQ_DEPTHWISE_SPAN)
        return "depthwise_s8_mac16: a window too long for a line";
    if (eq_depthwise_s8_mac16_scratch(&depthwise) > call->scratch_bytes)
        return "depthwise_s8_mac16: the plan's scratch is too small";
    return NULL;
}

void eq_run_depthwise_s8_mac16(const eq_call *call) {
    eq_depthwise_mac16 depthwise = depthwise_of(call);
    eq_depthwise_s8_mac16(&depthwise, call->x[0], call->weights_data, call->y, call->scratch);
}
