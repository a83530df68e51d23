#include "eq_link.h"

uint32_t eq_cobs_encode(const uint8_t *raw, uint32_t bytes, uint8_t *out) {
    uint32_t code_at = 0, end = 1;
    uint8_t code = 1; /* of the block being written: 1 + its bytes */
    for (uint32_t i = 0; i < bytes; i++) {
        if (raw[i] != 0) {
            out[end++] = raw[i];
            code++;
        }
        if (raw[i] == 0 || (code == 0xFF && i + 1 < bytes)) {
            out[code_at] = code;
            code_at = end++;
            code = 1;
        }
    }
    out[code_at] = code;
    return end;
}

bool eq_cobs_decode(uint8_t *data, uint32_t bytes, uint32_t *decoded_bytes) {
    uint32_t from = 0, to = 0; /* `to` stays behind `from`: each block gives up its code */
    while (from < bytes) {
        uint8_t code = data[from++];
        if (code == 0 || code - 1u > bytes - from) return false;
        for (uint32_t i = 1; i < code; i++) data[to++] = data[from++];
        if (code != 0xFF && from < bytes) data[to++] = 0;
    }
    *decoded_bytes = to;
    return true;
}
