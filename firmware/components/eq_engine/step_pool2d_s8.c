#include "step.h"

enum { HEIGHT, WIDTH, STRIDE_H, STRIDE_W, TOP, LEFT, LOW, HIGH, COUNT };

static eq_window window_of(const int32_t *p) {
    return (eq_window){p[HEIGHT], p[WIDTH], p[STRIDE_H], p[STRIDE_W], 1, 1, p[TOP], p[LEFT]};
}

static const char *check(const eq_call *call) {
    const int32_t *p = call->params;
    if (call->has_second) return "a pool takes one input";
    if (call->params_count != COUNT) return "a pool has a wrong number of parameters";
    if (call->in[0].dims[3] != call->out.dims[3]) return "a pool: channels differ";
    eq_window window = window_of(p);
    if (!eq_is_window(&window, &call->in[0], &call->out)) return "a pool: window or padding out of range";
    if (!eq_is_clamp(p + LOW)) return "a pool: clamp out of range";
    return NULL;
}

static eq_pool2d pool_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_pool2d){
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .window = window_of(p),
        .min = p[LOW],
        .max = p[HIGH],
    };
}

const char *eq_check_max_pool2d_s8(eq_call *call) {
    return check(call);
}

void eq_run_max_pool2d_s8(const eq_call *call) {
    eq_pool2d pool = pool_of(call);
    eq_max_pool2d_s8(&pool, call->x[0], call->y);
}

/* Whether it can be read in words. */
static bool is_aligned(const eq_tensor *in) {
    return in->dims[3] % 4 == 0 && !(in->constant && in->offset % 4);
}

const char *eq_check_max_pool2d_s8_words(eq_call *call) {
    const char *what = check(call);
    if (what) return what;
    if (call->params[LOW] != INT8_MIN || call->params[HIGH] != INT8_MAX)
        return "max_pool2d_s8_words: a clamp";
    if (!is_aligned(&call->in[0])) return "max_pool2d_s8_words: channels or input are not aligned";
    return NULL;
}

void eq_run_max_pool2d_s8_words(const eq_call *call) {
    eq_pool2d pool = pool_of(call);
    eq_max_pool2d_s8_words(&pool, call->x[0], call->y);
}

const char *eq_check_average_pool2d_s8(eq_call *call) {
    return check(call);
}

void eq_run_average_pool2d_s8(const eq_call *call) {
    eq_pool2d pool = pool_of(call);
    eq_average_pool2d_s8(&pool, call->x[0], call->y);
}

const char *eq_check_average_pool2d_s8_words(eq_call *call) {
    const char *what = check(call);
    if (what) return what;
    if (!is_aligned(&call->in[0])) return "average_pool2d_s8_words: channels or input are not aligned";
    eq_pool2d pool = pool_of(call);
    if (eq_average_pool2d_s8_words_scratch(&pool) > call->scratch_bytes)
        return "average_pool2d_s8_words: the plan's scratch is too small";
    return NULL;
}

void eq_run_average_pool2d_s8_words(const eq_call *call) {
    eq_pool2d pool = pool_of(call);
    eq_average_pool2d_s8_words(&pool, call->x[0], call->y, call->scratch);
}
