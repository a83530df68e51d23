#include "step.h"

static bool are_indices(const int32_t *indices, uint32_t count, uint32_t size) {
    for (uint32_t i = 0; i < count; i++)
        if (!eq_is_between(indices[i], 0, (int32_t)size - 1)) return false;
    return true;
}

static eq_take take_of(const eq_call *call) {
    const int32_t *rows = call->params, *columns = rows + call->out.dims[1];
    const int32_t *channels = columns + call->out.dims[2];
    if (call->params_count == call->out.dims[1] + call->out.dims[2]) channels = NULL;
    return (eq_take){eq_shape_of(&call->in[0]), eq_shape_of(&call->out), rows, columns, channels};
}

const char *eq_check_take_s8(eq_call *call) {
    const uint16_t *in = call->in[0].dims, *out = call->out.dims;
    uint32_t sides = (uint32_t)out[1] + out[2];
    if (call->has_second) return "take_s8 takes one input";
    if (call->params_count != sides && call->params_count != sides + out[3])
        return "take_s8 has a wrong number of parameters";
    if (call->params_count == sides && in[3] != out[3]) return "take_s8: channels differ";
    eq_take take = take_of(call);
    if (!are_indices(take.rows, out[1], in[1]) || !are_indices(take.columns, out[2], in[2]) ||
        (take.channels && !are_indices(take.channels, out[3], in[3])))
        return "take_s8: index out of range";
    return NULL;
}

void eq_run_take_s8(const eq_call *call) {
    eq_take take = take_of(call);
    eq_take_s8(&take, call->x[0], call->y);
}
