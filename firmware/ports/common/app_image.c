#include "app_image.h"

#include <stddef.h>

#include "partition_table.h"
#include "u32le.h"

/* A header (magic, number of segments, ...), then each segment's address and length before its data, zeros up
 * to a line of 16 bytes whose last is a checksum, and the SHA-256. */
enum { MAGIC = 0xE9, HEADER_BYTES = 24, SEGMENT_HEADER_BYTES = 8, LINE_BYTES = 16 };

const uint8_t *eq_app_sha256(const uint8_t *flash, uint32_t flash_bytes) {
    eq_partition app =
        eq_partition_find(flash, flash_bytes, EQ_PARTITION_TYPE_APP, EQ_PARTITION_SUBTYPE_FACTORY, 0);
    const uint8_t *image = flash + app.offset;
    if (app.bytes < HEADER_BYTES || image[0] != MAGIC) return NULL;
    uint32_t at = HEADER_BYTES;
    for (uint32_t i = 0; i < image[1]; i++) {
        if (app.bytes - at < SEGMENT_HEADER_BYTES) return NULL;
        uint32_t bytes = eq_u32le(image + at + 4);
        at += SEGMENT_HEADER_BYTES;
        if (bytes > app.bytes - at) return NULL;
        at += bytes;
    }
    uint32_t padding = LINE_BYTES - at % LINE_BYTES;
    if (app.bytes - at < padding + EQ_APP_SHA256_BYTES) return NULL;
    return image + at + padding;
}
