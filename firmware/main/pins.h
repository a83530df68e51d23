/* The trigger and the done pin, where Kconfig names them. */
#ifndef PINS_H
#define PINS_H

#include <stdbool.h>

void pins_open(void);
bool pins_has_trigger(void);
bool pins_edge_waits(void); /* without taking it */

/* eq_hal's callbacks. */
bool pins_trigger_pending(void *ctx);
void pins_set_done(void *ctx, bool high);

#endif
