#include "step.h"

enum { A_TRANSPOSED, B_TRANSPOSED, A_ZERO, B_ZERO, OUT_ZERO, MULTIPLIER, SHIFT, COUNT };
enum { MATRICES = 1, ROWS, COLUMNS }; /* of a tensor's dimensions */

static bool fits(const eq_tensor *in, const eq_tensor *out) {
    return in->dims[MATRICES] == out->dims[MATRICES] || in->dims[MATRICES] == 1;
}

const char *eq_check_batch_matmul_s8(eq_call *call) {
    const int32_t *p = call->params;
    const eq_tensor *a = &call->in[0], *b = &call->in[1], *out = &call->out;
    if (!call->has_second) return "batch_matmul_s8 takes two inputs";
    if (call->params_count != COUNT) return "batch_matmul_s8 has a wrong number of parameters";
    if (!eq_is_between(p[A_TRANSPOSED], 0, 1) || !eq_is_between(p[B_TRANSPOSED], 0, 1))
        return "batch_matmul_s8: an operand is neither transposed nor not";
    int a_rows = p[A_TRANSPOSED] ? COLUMNS : ROWS, b_rows = p[B_TRANSPOSED] ? COLUMNS : ROWS;
    int a_columns = ROWS + COLUMNS - a_rows, b_columns = ROWS + COLUMNS - b_rows;
    if (!fits(a, out) || !fits(b, out) || a->dims[a_rows] != out->dims[ROWS] ||
        b->dims[b_columns] != out->dims[COLUMNS] || a->dims[a_columns] != b->dims[b_rows])
        return "batch_matmul_s8: matrices that do not fit";
    if (!eq_is_int8(p[A_ZERO]) || !eq_is_int8(p[B_ZERO]) || !eq_is_int8(p[OUT_ZERO]))
        return "batch_matmul_s8: zero point out of range";
    return eq_is_factor(p[MULTIPLIER], p[SHIFT]) ? NULL : "batch_matmul_s8: factor out of range";
}

void eq_run_batch_matmul_s8(const eq_call *call) {
    const int32_t *p = call->params;
    eq_batch_matmul matmul = {
        .operands = eq_operands_of(call),
        .a_transposed = p[A_TRANSPOSED],
        .b_transposed = p[B_TRANSPOSED],
        .a_zero_point = p[A_ZERO],
        .b_zero_point = p[B_ZERO],
        .out_zero_point = p[OUT_ZERO],
        .factor = {p[MULTIPLIER], p[SHIFT]},
    };
    eq_batch_matmul_s8(&matmul, call->x[0], call->x[1], call->y);
}
