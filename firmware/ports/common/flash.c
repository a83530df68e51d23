#include "flash.h"

#include <stddef.h>
#include <string.h>

#include "slots.h"

static void read_records(uint8_t *records, const uint8_t *base, uint32_t bytes) {
    eq_partition found =
        eq_partition_find(base, bytes, EQ_PARTITION_TYPE_DATA, EQ_PARTITION_SUBTYPE_SLOT_RECORDS, 0);
    memset(records, 0xFF, EQ_SLOT_RECORDS * EQ_SLOT_RECORD_BYTES);
    if (found.bytes < EQ_SLOT_RECORDS * EQ_SLOT_RECORD_SPACING) return;
    for (uint32_t i = 0; i < EQ_SLOT_RECORDS; i++)
        memcpy(records + i * EQ_SLOT_RECORD_BYTES, base + found.offset + i * EQ_SLOT_RECORD_SPACING,
               EQ_SLOT_RECORD_BYTES);
}

eq_flash eq_flash_open(const uint8_t *base, uint32_t bytes) {
    eq_flash flash[EQ_SLOTS_MAX];
    eq_hal slots[EQ_SLOTS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < EQ_SLOTS_MAX; i++) {
        flash[i] = (eq_flash){
            base, eq_partition_find(base, bytes, EQ_PARTITION_TYPE_DATA, EQ_PARTITION_SUBTYPE_MODEL, i)};
        slots[i] = (eq_hal){
            .ctx = &flash[i],
            .model_partition_bytes = flash[i].model.bytes,
            .map = eq_flash_map,
            .unmap = eq_flash_unmap,
        };
        if (flash[i].model.bytes) count = i + 1;
    }
    uint8_t records[EQ_SLOT_RECORDS * EQ_SLOT_RECORD_BYTES];
    read_records(records, base, bytes);
    return flash[eq_slots_choose(records, slots, count)];
}

const uint8_t *eq_flash_map(void *ctx, uint32_t offset, uint32_t bytes) {
    const eq_flash *flash = ctx;
    if (offset > flash->model.bytes || bytes > flash->model.bytes - offset) return NULL;
    return flash->base + flash->model.offset + offset;
}

/* All of the flash is memory all the time: nothing to give back. */
void eq_flash_unmap(void *ctx, const uint8_t *window) {
    (void)ctx;
    (void)window;
}
