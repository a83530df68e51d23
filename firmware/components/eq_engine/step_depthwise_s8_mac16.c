#include "step.h"

enum {
    IN_ZERO = EQ_WINDOW_FIELDS,
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
        .window = eq_window_of(p),
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
    eq_window window = eq_window_of(p);
    if (!eq_is_window(&window, &call->in[0], &call->out))
        return "a depthwise convolution by planes: window or padding out of range";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_clamp(p + LOW))
        return "a depthwise convolution by planes: zero point or clamp out of range";
    if (!eq_are_scaled_channels(p + FIXED, channels))
        return "a depthwise convolution by planes: a channel is out of range";
    if (p[WEIGHT_SHIFT] != 2 && p[WEIGHT_SHIFT] != 8)
        return "a depthwise convolution by planes: the weights' shift is 2 or 8";
    const int32_t offsets[2] = {p[WEIGHTS], -1}; /* the bias is in the channels */
    if (!eq_set_ranges(call, offsets, (uint64_t)window.height * (uint64_t)window.width * channels, channels))
        return "a depthwise convolution by planes: weights out of place";
    return NULL;
}

const char *eq_check_depthwise3x3_s8_mac16(eq_call *call) {
    const char *what = check(call);
    if (what) return what;
    eq_depthwise_mac16 depthwise = depthwise_of(call);
    const eq_window *win = &depthwise.window;
    if (win->height != 3 || win->width != 3 || win->dilation_h != 1 || win->dilation_w != 1)
        return "depthwise3x3_s8_mac16: another window";
    if (!eq_is_between(win->stride_h, 1, 2) || !eq_is_between(win->stride_w, 1, 2) ||
        depthwise.weight_shift != 2)
        return "depthwise3x3_s8_mac16: stride or shift out of range";
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
