#include "partition_table.h"

#include "u32le.h"

/* A row: magic AA 50, type, subtype, u32 offset, u32 bytes, 16 bytes label, u32 flags. The table ends at the
 * first row with another magic, except that of its MD5 (EB EB), or after 0xC00 bytes. */
enum { ROW_BYTES = 32, TABLE_BYTES = 0xC00 };

eq_partition eq_partition_find(const uint8_t *flash, uint32_t flash_bytes, uint8_t type, uint8_t subtype,
                               uint32_t index) {
    const eq_partition none = {0, 0};
    if (flash_bytes < EQ_PARTITION_TABLE_OFFSET + TABLE_BYTES) return none;
    const uint8_t *row = flash + EQ_PARTITION_TABLE_OFFSET, *end = row + TABLE_BYTES;
    for (; row < end; row += ROW_BYTES) {
        if (row[0] == 0xEB && row[1] == 0xEB) continue;
        if (row[0] != 0xAA || row[1] != 0x50) return none;
        if (row[2] != type || row[3] != subtype || index--) continue;
        eq_partition found = {eq_u32le(row + 4), eq_u32le(row + 8)};
        return found.offset <= flash_bytes && found.bytes <= flash_bytes - found.offset ? found : none;
    }
    return none;
}
