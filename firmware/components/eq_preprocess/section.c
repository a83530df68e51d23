#include "eq_preprocess.h"

enum { VERSION = 1, HEAD = 16, ROW = 12 };

static const int32_t MULTIPLIER_MOST = 16 << 22;
static const int64_t OFFSET_MOST = INT64_C(1) << 61;

static uint64_t little_endian(const uint8_t *p, uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}

const char *eq_preprocess_read(eq_preprocess *out, const uint8_t *section, uint32_t bytes) {
    if (bytes < HEAD) return "the preprocessing ends early";
    if (little_endian(section, 2) != VERSION) return "the preprocessing has another version";
    uint32_t channels = section[3], method = section[2];
    uint32_t height = (uint32_t)little_endian(section + 4, 2),
             width = (uint32_t)little_endian(section + 6, 2);
    uint32_t white = (uint32_t)little_endian(section + 8, 4); /* a float, above zero and finite; for tools */
    if (method > EQ_BILINEAR || (channels != 1 && channels != 3)) return "the preprocessing is unknown";
    if (!height || height > EQ_SIDE_MOST || !width || width > EQ_SIDE_MOST)
        return "the preprocessing has an impossible size";
    if (bytes != HEAD + channels * ROW || little_endian(section + 12, 4) || !white || white >= 0x7F800000u)
        return "the preprocessing is damaged";
    *out =
        (eq_preprocess){.height = height, .width = width, .channels = channels, .method = (eq_resize)method};
    for (uint32_t c = 0; c < channels; c++) {
        const uint8_t *row = section + HEAD + c * ROW;
        int64_t offset = (int64_t)little_endian(row, 8);
        int32_t multiplier = (int32_t)little_endian(row + 8, 4);
        if (offset > OFFSET_MOST || offset < -OFFSET_MOST)
            return "an offset of the preprocessing is too large";
        if (multiplier > MULTIPLIER_MOST || multiplier < -MULTIPLIER_MOST)
            return "a multiplier of the preprocessing is too large";
        out->offset[c] = offset;
        out->multiplier[c] = multiplier;
    }
    return 0;
}
