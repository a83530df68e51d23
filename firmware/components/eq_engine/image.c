#include "eq_image.h"

#include <string.h>

#include "eq_check.h"
#include "plan.h"

enum { HEADER = EQ_IMAGE_HEADER_BYTES, ROW = 16, MAX_SECTIONS = 16, DIGEST = 32, CHUNK = 32768 };

static eq_status fail(eq_fault *fault, eq_status status, const char *what, uint32_t value) {
    *fault = (eq_fault){status, what, 0, value};
    return status;
}

uint32_t eq_image_bytes(const uint8_t header[EQ_IMAGE_HEADER_BYTES], uint32_t partition_bytes) {
    uint32_t bytes = eq_read_u32(header + 8);
    return !memcmp(header, "EQMI", 4) && bytes <= partition_bytes ? bytes : 0;
}

static eq_status read_header(eq_image *image, const uint8_t *b, uint32_t partition, eq_fault *fault) {
    static const uint8_t erased[4] = {0xFF, 0xFF, 0xFF, 0xFF};
    if (!memcmp(b, erased, 4)) return fail(fault, EQ_NO_MODEL, "the model partition is empty", 0);
    if (memcmp(b, "EQMI", 4)) return fail(fault, EQ_BAD_IMAGE, "there is no model image in the partition", 0);
    if (eq_read_u16(b + 4) != 1)
        return fail(fault, EQ_UNSUPPORTED, "the model image has another version", eq_read_u16(b + 4));
    image->bytes = eq_read_u32(b + 8);
    uint32_t count = eq_read_u32(b + 12);
    if (image->bytes > partition)
        return fail(fault, EQ_BAD_IMAGE, "the model image is larger than its partition", image->bytes);
    if (!count || count > MAX_SECTIONS || image->bytes < HEADER + count * ROW + DIGEST)
        return fail(fault, EQ_BAD_IMAGE, "the model image's section table is damaged", count);
    uint32_t end = HEADER + count * ROW, limit = image->bytes - DIGEST;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *row = b + HEADER + i * ROW;
        uint32_t kind = eq_read_u32(row), offset = eq_read_u32(row + 4), bytes = eq_read_u32(row + 8);
        if (!kind || !bytes || offset % 16 || offset < end || offset > limit || bytes > limit - offset)
            return fail(fault, EQ_BAD_IMAGE, "a section of the model image is empty or out of place", kind);
        end = offset + bytes;
        if (kind >= EQ_SECTION_KINDS) continue; /* not for the firmware, or from a newer edgeq */
        if (image->sections[kind].bytes)
            return fail(fault, EQ_BAD_IMAGE, "a section of the model image appears twice", kind);
        image->sections[kind] = (eq_section){offset, bytes};
    }
    return EQ_OK;
}

static eq_status verify(eq_image *image, const eq_hal *hal, eq_fault *fault) {
    uint32_t end = image->bytes - DIGEST;
    eq_sha256 sha;
    eq_sha256_init(&sha);
    for (uint32_t at = 0; at < end;) {
        uint32_t bytes = end - at < CHUNK ? end - at : CHUNK;
        const uint8_t *window = hal->map(hal->ctx, at, bytes);
        if (!window) return fail(fault, EQ_MAP_FAILED, "a part of the model image cannot be mapped", at);
        eq_sha256_update(&sha, window, bytes);
        hal->unmap(hal->ctx, window);
        at += bytes;
    }
    eq_sha256_final(&sha, image->sha256);
    const uint8_t *stored = hal->map(hal->ctx, end, DIGEST);
    if (!stored) return fail(fault, EQ_MAP_FAILED, "a part of the model image cannot be mapped", end);
    bool equal = !memcmp(stored, image->sha256, DIGEST);
    hal->unmap(hal->ctx, stored);
    return equal ? EQ_OK
                 : fail(fault, EQ_BAD_IMAGE, "the model image's SHA-256 does not match", image->bytes);
}

eq_status eq_image_check(eq_image *image, const eq_hal *hal, eq_fault *fault) {
    uint32_t partition = hal->model_partition_bytes, head = HEADER + MAX_SECTIONS * ROW;
    memset(image, 0, sizeof *image);
    if (partition < head + DIGEST) return fail(fault, EQ_NO_MODEL, "there is no model partition", partition);
    const uint8_t *window = hal->map(hal->ctx, 0, head);
    if (!window) return fail(fault, EQ_MAP_FAILED, "the model image cannot be mapped", 0);
    eq_status status = read_header(image, window, partition, fault);
    hal->unmap(hal->ctx, window);
    if (status != EQ_OK) return status;
    const eq_section *s = image->sections;
    if (!s[EQ_SECTION_PLAN].bytes || !s[EQ_SECTION_TFLITE].bytes || !s[EQ_SECTION_NAME].bytes)
        return fail(fault, EQ_BAD_IMAGE, "a section of the model image is missing", 0);
    if (s[EQ_SECTION_NAME].bytes > EQ_NAME_MAX)
        return fail(fault, EQ_BAD_IMAGE, "the model's name is too long", s[EQ_SECTION_NAME].bytes);
    return verify(image, hal, fault);
}
