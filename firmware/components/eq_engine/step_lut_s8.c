#include "step.h"

enum { INPUTS = 256, COUNT = INPUTS / 4 };

const char *eq_check_lut_s8(eq_call *call) {
    if (call->has_second) return "lut_s8 takes one input";
    if (call->params_count != COUNT) return "lut_s8 has a wrong number of parameters";
    if (!eq_same_shape(&call->in[0], &call->out)) return "lut_s8: shapes differ";
    return NULL;
}

void eq_run_lut_s8(const eq_call *call) {
    eq_lut lut = {(int32_t)call->out.bytes, (const int8_t *)call->params};
    eq_lut_s8(&lut, call->x[0], call->y);
}
