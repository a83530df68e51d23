#include "step.h"

enum { DISTANCES = 256 };

const char *eq_check_softmax_s8(eq_call *call) {
    if (call->has_second) return "softmax_s8 takes one input";
    if (call->params_count != DISTANCES) return "softmax_s8 has a wrong number of parameters";
    if (!eq_same_shape(&call->in[0], &call->out)) return "softmax_s8: shapes differ";
    for (unsigned i = 0; i < DISTANCES; i++)
        if (call->params[i] < 0) return "softmax_s8: an exponential is negative";
    return NULL;
}

void eq_run_softmax_s8(const eq_call *call) {
    int32_t columns = call->out.dims[3];
    eq_softmax softmax = {(int32_t)call->out.bytes / columns, columns, call->params};
    eq_softmax_s8(&softmax, call->x[0], call->y);
}
