/* The core's cycle counter has 32 bits and comes round every 18 s at 240 MHz, and inferences may take longer:
 * a slow timer beside it says how often. Pure arithmetic, tried on the host. */
#ifndef EQ_CYCLES_H
#define EQ_CYCLES_H

#include <stdint.h>

/* All zero before the first reading. */
typedef struct cycles {
    uint64_t total;
    uint64_t us;
    uint32_t count;
} cycles;

/* The cycles since some fixed moment, of which only differences mean something. `count` is the counter, `us`
 * the timer's microseconds, both read at one time, never earlier than before; `mhz` is the core's clock.
 * Exact as long as the timer is off by less than half of a round of the counter since the reading before. */
uint64_t cycles_at(cycles *last, uint32_t count, uint64_t us, uint32_t mhz);

#endif
