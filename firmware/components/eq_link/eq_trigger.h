/* An inference that a pin starts, and the pin that tells its end. */
#ifndef EQ_TRIGGER_H
#define EQ_TRIGGER_H

#include "eq_inference.h"

typedef struct eq_trigger {
    eq_inference *inference;
    bool level;     /* of the virtual trigger pin */
    bool done;      /* the done pin is high */
    uint32_t runs;  /* that ended well since boot */
    uint64_t ticks; /* of the last of them */
} eq_trigger;

/* Done goes low; runs the input that is there, else golden sample 0, else zeros; done goes high. Where the
 * run fails, done stays low. */
eq_status eq_trigger_run(eq_trigger *trigger, eq_progress progress, void *ctx);

/* How this board is triggered, for `info`: "none", "pin" or "virtual". */
const char *eq_trigger_kind(const eq_hal *hal);

#endif
