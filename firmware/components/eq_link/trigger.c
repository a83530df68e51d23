#include "eq_trigger.h"

static void set_done(eq_trigger *trigger, bool high) {
    const eq_hal *hal = trigger->inference->hal;
    trigger->done = high;
    if (hal->set_done) hal->set_done(hal->ctx, high);
}

eq_status eq_trigger_run(eq_trigger *trigger, eq_progress progress, void *ctx) {
    eq_inference *inf = trigger->inference;
    uint64_t ticks;
    set_done(trigger, false);
    if (!inf->engine->open) return EQ_NOT_OPEN;
    eq_status status = eq_inference_ready(inf) ? EQ_OK : eq_inference_sample(inf);
    if (status == EQ_OK) status = eq_inference_run(inf, 0, 0, progress, ctx, &ticks);
    if (status != EQ_OK) return status;
    trigger->runs++;
    trigger->ticks = ticks;
    set_done(trigger, true);
    return EQ_OK;
}

const char *eq_trigger_kind(const eq_hal *hal) {
    return hal->virtual_pins ? "virtual" : hal->trigger_pending ? "pin" : "none";
}
