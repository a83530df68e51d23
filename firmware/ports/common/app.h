/* What every port does once it has an eq_hal. */
#ifndef EQ_APP_H
#define EQ_APP_H

#include "eq_hal.h"

/* Opens the model and serves the console until its stream ends. A model that does not open is no reason to
 * stop: the console says what is wrong with it. */
void eq_app_run(const eq_hal *hal);

#endif
