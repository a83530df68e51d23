#include "step.h"

enum { HEIGHT, WIDTH, CHANNELS, IN_ZERO, OUT_ZERO, MULTIPLIER, SHIFT, COUNT };

static eq_shape window_of(const eq_call *call) {
    eq_shape in = eq_shape_of(&call->in[0]);
    const int32_t *p = call->params;
    return (eq_shape){p[HEIGHT] ? in.height : 1, p[WIDTH] ? in.width : 1, p[CHANNELS] ? in.channels : 1};
}

const char *eq_check_mean_s8(eq_call *call) {
    const int32_t *p = call->params;
    if (call->has_second) return "mean_s8 takes one input";
    if (call->params_count != COUNT) return "mean_s8 has a wrong number of parameters";
    for (int axis = HEIGHT; axis <= CHANNELS; axis++)
        if (!eq_is_between(p[axis], 0, 1)) return "mean_s8: an axis is neither kept nor summed up";
    eq_shape window = window_of(call);
    uint64_t count = (uint64_t)window.height * (uint64_t)window.width * (uint64_t)window.channels;
    if (call->out.bytes * count != call->in[0].bytes) return "mean_s8: the output's size is not what is left";
    if (!eq_is_int8(p[IN_ZERO]) || !eq_is_int8(p[OUT_ZERO])) return "mean_s8: zero point out of range";
    if (!eq_is_factor(p[MULTIPLIER], p[SHIFT])) return "mean_s8: factor out of range";
    return NULL;
}

void eq_run_mean_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_mean mean = {
        .in = eq_shape_of(&call->in[0]),
        .window = window_of(call),
        .in_zero_point = p[IN_ZERO],
        .out_zero_point = p[OUT_ZERO],
        .factor = {p[MULTIPLIER], p[SHIFT]},
    };
    eq_mean_s8(&mean, call->x[0], call->y);
}
