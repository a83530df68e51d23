/* What `info` says of this board beyond what every board says. */
#ifndef FACTS_H
#define FACTS_H

#include "eq_hal.h"

/* eq_hal's callback `fact`. */
bool facts_get(void *ctx, uint32_t index, const char **name, uint32_t *value);

#endif
