#include "slots.h"

#include <stdbool.h>
#include <string.h>

#include "eq_check.h"
#include "eq_image.h"
#include "u32le.h"

/* A record: u32 "EQSL", u32 sequence, u32 slot, SHA-256 of the slot's image, u32 CRC-32 of what stands
 * before. */
enum { SEQUENCE = 4, SLOT = 8, SHA256 = 12, CRC = 44, DIGEST = 32 };

static bool is_record(const uint8_t *record, uint32_t slots) {
    return !memcmp(record, "EQSL", 4) && eq_u32le(record + CRC) == eq_crc32(0, record, CRC) &&
           eq_u32le(record + SLOT) < slots;
}

/* NULL if there is none. Sequence numbers wrap around: of two, the newer is less than 2^31 ahead. */
static const uint8_t *newest_record(const uint8_t *records, uint32_t slots) {
    const uint8_t *newest = NULL;
    for (uint32_t i = 0; i < EQ_SLOT_RECORDS; i++) {
        const uint8_t *record = records + i * EQ_SLOT_RECORD_BYTES;
        if (!is_record(record, slots)) continue;
        if (!newest || eq_u32le(record + SEQUENCE) - eq_u32le(newest + SEQUENCE) < 0x80000000u)
            newest = record;
    }
    return newest;
}

uint32_t eq_slots_choose(const uint8_t records[EQ_SLOT_RECORDS * EQ_SLOT_RECORD_BYTES], const eq_hal *slots,
                         uint32_t count) {
    if (count < 2) return 0;
    const uint8_t *record = newest_record(records, count);
    uint32_t first = record ? eq_u32le(record + SLOT) : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = (first + i) % count;
        eq_image image;
        eq_fault fault;
        bool verifies = eq_image_check(&image, &slots[slot], &fault) == EQ_OK;
        bool is_meant = i || !record || !memcmp(image.sha256, record + SHA256, DIGEST);
        if (verifies && is_meant) return slot;
    }
    return first;
}
