#include "step.h"

enum { HEIGHT, WIDTH, STRIDE_H, STRIDE_W, TOP, LEFT, LOW, HIGH, COUNT };

static const char *check(const eq_call *call) {
    const int32_t *p = call->params;
    if (call->has_second) return "a pool takes one input";
    if (call->params_count != COUNT) return "a pool has a wrong number of parameters";
    if (call->in[0].dims[3] != call->out.dims[3]) return "a pool: channels differ";
    for (unsigned i = HEIGHT; i <= STRIDE_W; i++)
        if (!eq_is_between(p[i], 1, 1024)) return "a pool: window or stride out of range";
    if (!eq_is_between(p[TOP], 0, 1024) || !eq_is_between(p[LEFT], 0, 1024))
        return "a pool: padding out of range";
    if (!eq_is_int8(p[LOW]) || !eq_is_int8(p[HIGH]) || p[LOW] > p[HIGH]) return "a pool: clamp out of range";
    return NULL;
}

static eq_pool2d pool_of(const eq_call *call) {
    const int32_t *p = call->params;
    return (eq_pool2d){
        .in = eq_shape_of(&call->in[0]),
        .out = eq_shape_of(&call->out),
        .window = {p[HEIGHT], p[WIDTH], p[STRIDE_H], p[STRIDE_W], 1, 1, p[TOP], p[LEFT]},
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

const char *eq_check_average_pool2d_s8(eq_call *call) {
    return check(call);
}

void eq_run_average_pool2d_s8(const eq_call *call) {
    eq_pool2d pool = pool_of(call);
    eq_average_pool2d_s8(&pool, call->x[0], call->y);
}
