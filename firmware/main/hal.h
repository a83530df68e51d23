/* An ESP32 with ESP-IDF as eq_hal. */
#ifndef HAL_H
#define HAL_H

#include "eq_hal.h"

/* Opens console, model and pins; call it once. */
const eq_hal *hal_open(void);

#endif
