/* Which of the model slots runs (docs/plan-format.md, "Which slot runs"). Pure: the port reads flash, this
 * decides. */
#ifndef EQ_SLOTS_H
#define EQ_SLOTS_H

#include <stdint.h>

#include "eq_hal.h"

enum {
    EQ_SLOTS_MAX = 2,
    EQ_SLOT_RECORDS = 2,
    EQ_SLOT_RECORD_BYTES = 48,
    EQ_SLOT_RECORD_SPACING = 4096, /* each record is the start of a sector of its own */
};

/* `records`: the records of the first and of the second sector, behind each other; all 0xFF where the flash
 * has none. `slots`: for each of the `count` slots (1 to EQ_SLOTS_MAX) a hal of which ctx,
 * model_partition_bytes, map and unmap are used.
 *
 * Returns the slot that the newest record names if its image verifies and is the one that the record names;
 * else another slot whose image verifies; else the first one asked, and opening that one says what is wrong
 * with it. With one slot nothing is read: opening it tells as much. */
uint32_t eq_slots_choose(const uint8_t records[EQ_SLOT_RECORDS * EQ_SLOT_RECORD_BYTES], const eq_hal *slots,
                         uint32_t count);

#endif
