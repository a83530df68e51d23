/* Where the model image is: in a slot of the flash, or an array of this application. One of two files is
 * built. */
#ifndef MODEL_H
#define MODEL_H

#include "eq_hal.h"

/* Sets ctx, model_partition_bytes, map and unmap. Call it once. */
void model_open(eq_hal *hal);

#endif
