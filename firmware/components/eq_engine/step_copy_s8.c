#include "step.h"

enum { FIRST_READ, FIRST_WRITTEN, LOOPS, COUNT = LOOPS + 3 * EQ_COPY_LOOPS };

static eq_copy copy_of(const int32_t *p) {
    eq_copy copy = {.first_read = p[FIRST_READ], .first_written = p[FIRST_WRITTEN]};
    for (int i = 0; i < EQ_COPY_LOOPS; i++, p += 3)
        copy.loops[i] = (eq_copy_loop){p[LOOPS], p[LOOPS + 1], p[LOOPS + 2]};
    return copy;
}

/* Whether an access that begins at `first` and moves by `steps` stays inside. The counts' product is at most
 * 2^31, so that nothing here overflows. */
static bool stays_inside(const eq_copy *copy, int32_t first, bool read, uint32_t bytes) {
    int64_t lowest = first, highest = first;
    for (int i = 0; i < EQ_COPY_LOOPS; i++) {
        const eq_copy_loop *loop = &copy->loops[i];
        int64_t reach = (int64_t)(loop->count - 1) * (read ? loop->read : loop->write);
        *(reach < 0 ? &lowest : &highest) += reach;
    }
    return lowest >= 0 && highest < bytes;
}

const char *eq_check_copy_s8(eq_call *call) {
    if (call->has_second) return "copy_s8 takes one input";
    if (call->params_count != COUNT) return "copy_s8 has a wrong number of parameters";
    eq_copy copy = copy_of(call->params);
    int64_t elements = 1;
    for (int i = 0; i < EQ_COPY_LOOPS; i++) {
        if (copy.loops[i].count < 1) return "copy_s8: a loop without a turn";
        elements *= copy.loops[i].count;
        if (elements > call->out.bytes) return "copy_s8 copies more than its output holds";
    }
    if (!stays_inside(&copy, copy.first_read, true, call->in[0].bytes) ||
        !stays_inside(&copy, copy.first_written, false, call->out.bytes))
        return "copy_s8 leaves its tensors";
    return NULL;
}

void eq_run_copy_s8(const eq_call *call) {
    eq_copy copy = copy_of(call->params);
    eq_copy_s8(&copy, call->x[0], call->y);
}
