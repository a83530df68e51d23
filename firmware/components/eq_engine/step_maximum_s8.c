#include "step.h"

static const char *check(const eq_call *call) {
    if (!eq_are_operands(call)) return "an extremum: operands that do not fit";
    return call->params_count ? "an extremum has no parameters" : NULL;
}

const char *eq_check_maximum_s8(eq_call *call) {
    return check(call);
}

void eq_run_maximum_s8(const eq_call *call) {
    eq_operands operands = eq_operands_of(call);
    eq_maximum_s8(&operands, call->x[0], call->x[1], call->y);
}

const char *eq_check_minimum_s8(eq_call *call) {
    return check(call);
}

void eq_run_minimum_s8(const eq_call *call) {
    eq_operands operands = eq_operands_of(call);
    eq_minimum_s8(&operands, call->x[0], call->x[1], call->y);
}
