#include <string.h>

#include "eq_check.h"
#include "eq_link.h"

uint32_t eq_frame_encode(uint8_t type, uint8_t seq, const uint8_t *payload, uint32_t payload_bytes,
                         uint8_t out[EQ_FRAME_MAX]) {
    uint8_t raw[EQ_RAW_MAX];
    raw[0] = type;
    raw[1] = seq;
    if (payload_bytes) memcpy(raw + 2, payload, payload_bytes);
    uint32_t crc = eq_crc32(0, raw, 2 + payload_bytes);
    for (uint32_t i = 0; i < 4; i++) raw[2 + payload_bytes + i] = (uint8_t)(crc >> (8 * i));

    out[0] = out[1] = 0;
    uint32_t end = 2 + eq_cobs_encode(raw, 2 + payload_bytes + 4, out + 2);
    out[end++] = 0;
    return end;
}

/* Is the buffer a sound frame? Decodes it where it lies. */
static bool open_frame(eq_receiver *r, uint32_t held) {
    uint32_t bytes;
    if (!eq_cobs_decode(r->buffer, held, &bytes) || bytes < 6 || bytes > EQ_RAW_MAX) return false;
    const uint8_t *crc = r->buffer + bytes - 4;
    uint32_t want =
        (uint32_t)crc[0] | (uint32_t)crc[1] << 8 | (uint32_t)crc[2] << 16 | (uint32_t)crc[3] << 24;
    if (r->buffer[0] < 0x80 || eq_crc32(0, r->buffer, bytes - 4) != want) return false;
    r->type = r->buffer[0];
    r->seq = r->buffer[1];
    r->payload = r->buffer + 2;
    r->payload_bytes = bytes - 6;
    return true;
}

static eq_event text(eq_receiver *r, const uint8_t *bytes, uint32_t n) {
    memcpy(r->text, bytes, n);
    r->text_bytes = n;
    r->in_frame = false;
    return EQ_EVENT_TEXT;
}

eq_event eq_receiver_feed(eq_receiver *r, uint8_t byte) {
    if (!r->in_frame) {
        if (byte != 0) return text(r, &byte, 1);
        r->in_frame = true;
        r->held = 0;
        return EQ_EVENT_NONE;
    }
    if (byte == 0) {
        if (r->held == 0) return EQ_EVENT_NONE;
        uint32_t held = r->held;
        r->held = 0;
        if (!open_frame(r, held)) {
            r->dropped++; /* stays in frame state: this zero may be the opening one of the next */
            return EQ_EVENT_NONE;
        }
        r->in_frame = false;
        return EQ_EVENT_FRAME;
    }
    if (r->held == EQ_COBS_MAX) {
        r->dropped++;
        r->in_frame = false;
        return EQ_EVENT_NONE;
    }
    r->buffer[r->held++] = byte;
    /* Behind the COBS code comes the type, which is never below 0x80. */
    if (r->held == 2 && byte < 0x80) return text(r, r->buffer, 2);
    return EQ_EVENT_NONE;
}
