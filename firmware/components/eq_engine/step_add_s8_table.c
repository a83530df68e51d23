#include "step.h"

enum { MULTIPLIER, OFFSET, SHIFT, SIGN, LOW, HIGH, TABLES, VALUES = 256, COUNT = TABLES + 2 * VALUES };

const char *eq_check_add_s8_table(eq_call *call) {
    const int32_t *p = call->params;
    if (!eq_are_operands(call) || !eq_same_shape(&call->in[0], &call->out) ||
        !eq_same_shape(&call->in[1], &call->out))
        return "a sum by tables: operands of another shape";
    if (call->params_count != COUNT) return "a sum by tables has a wrong number of parameters";
    if (p[MULTIPLIER] < 0 || !eq_is_between(p[SHIFT], 1, 31) || !eq_is_between(p[SIGN], 0, 1))
        return "a sum by tables: factor out of range";
    if (!eq_is_clamp(p + LOW)) return "a sum by tables: clamp out of range";
    return NULL;
}

void eq_run_add_s8_table(const eq_call *call) {
    const int32_t *p = call->params;
    eq_add_table add = {
        .elements = (int32_t)call->out.bytes,
        .multiplier = p[MULTIPLIER],
        .offset = p[OFFSET],
        .shift = p[SHIFT],
        .sign = p[SIGN],
        .min = p[LOW],
        .max = p[HIGH],
        .a = p + TABLES,
        .b = p + TABLES + VALUES,
    };
    eq_add_s8_table(&add, call->x[0], call->x[1], call->y);
}
