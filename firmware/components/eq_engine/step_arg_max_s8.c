#include "step.h"

enum { SIZE, INNER, COUNT };

const char *eq_check_arg_max_s8(eq_call *call) {
    const int32_t *p = call->params;
    if (call->has_second) return "arg_max_s8 takes one input";
    if (call->params_count != COUNT) return "arg_max_s8 has a wrong number of parameters";
    if (p[SIZE] < 1 || p[INNER] < 1) return "arg_max_s8: an axis without elements";
    uint32_t places = call->out.bytes / (uint32_t)sizeof(int32_t);
    if ((uint64_t)places * (uint32_t)p[SIZE] != call->in[0].bytes || places % (uint32_t)p[INNER])
        return "arg_max_s8: the output's size is not what is left";
    return NULL;
}

void eq_run_arg_max_s8(const eq_call *call) {
    const int32_t *p = call->params;
    int32_t places = (int32_t)(call->out.bytes / sizeof(int32_t));
    eq_arg_max arg_max = {places / p[INNER], p[SIZE], p[INNER]};
    eq_arg_max_s8(&arg_max, call->x[0], (int32_t *)(void *)call->y); /* the arena's tensors are aligned */
}
