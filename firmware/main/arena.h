/* The two static buffers of the engine. */
#ifndef ARENA_H
#define ARENA_H

#include <stdint.h>

#include "sdkconfig.h"

extern int8_t eq_arena[CONFIG_EQ_ARENA_BYTES];
extern uint8_t eq_scratch[CONFIG_EQ_SCRATCH_BYTES];

#endif
