#include "step.h"

enum { HEIGHT, WIDTH, CHANNELS, SCALE_BITS, TAIL, COUNT = TAIL + EQ_SCALED_FIELDS };

static eq_mean_words mean_of(const eq_call *call) {
    eq_shape in = eq_shape_of(&call->in[0]);
    const int32_t *p = call->params;
    return (eq_mean_words){
        .in = in,
        .window = {p[HEIGHT] ? in.height : 1, p[WIDTH] ? in.width : 1, p[CHANNELS] ? in.channels : 1},
        .scale_bits = p[SCALE_BITS],
        .tail = *eq_scaled_channels_of(p + TAIL),
    };
}

const char *eq_check_mean_s8_words(eq_call *call) {
    const int32_t *p = call->params;
    if (call->has_second) return "mean_s8_words takes one input";
    if (call->params_count != COUNT) return "mean_s8_words has a wrong number of parameters";
    for (int axis = HEIGHT; axis <= CHANNELS; axis++)
        if (!eq_is_between(p[axis], 0, 1)) return "mean_s8_words: an axis is neither kept nor summed up";
    if (p[SCALE_BITS] != 2 && p[SCALE_BITS] != 8) return "mean_s8_words: sums are scaled by 2 or 8 bits";
    if (!eq_are_scaled_channels(p + TAIL, 1)) return "mean_s8_words: factor out of range";
    const eq_tensor *in = &call->in[0];
    if (in->dims[3] % 4 || (in->constant && in->offset % 4))
        return "mean_s8_words: channels or input are not aligned";
    eq_mean_words mean = mean_of(call);
    const eq_shape *window = &mean.window;
    uint64_t count = (uint64_t)window->height * (uint64_t)window->width * (uint64_t)window->channels;
    if (call->out.bytes * count != in->bytes) return "mean_s8_words: the output's size is not what is left";
    if (eq_mean_s8_words_scratch(&mean) > call->scratch_bytes)
        return "mean_s8_words: the plan's scratch is too small";
    return NULL;
}

void eq_run_mean_s8_words(const eq_call *call) {
    eq_mean_words mean = mean_of(call);
    eq_mean_s8_words(&mean, call->x[0], call->y, call->scratch);
}
