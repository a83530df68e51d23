/* What every port does once it has an eq_hal. */
#ifndef EQ_APP_H
#define EQ_APP_H

#include "eq_engine.h"

/* Opens the model with the first of the engines, a NULL-terminated table, and serves the console until its
 * stream ends. A model that does not open is no reason to stop: the console says what is wrong with it. */
void eq_app_run(const eq_hal *hal, const eq_engine_kind *const *engines);

#endif
