/* The link on the serial console: frames between text (docs/link-protocol.md), and the loop that serves both.
 */
#ifndef EQ_LINK_H
#define EQ_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "eq_engine.h"
#include "eq_hal.h"

#define EQ_FIRMWARE_VERSION "0.1.0"

enum {
    EQ_LINK_VERSION = 1,
    EQ_PAYLOAD_MAX = 256,
    EQ_RAW_MAX = 2 + EQ_PAYLOAD_MAX + 4, /* type, seq, payload, crc32 */
    EQ_COBS_MAX = EQ_RAW_MAX + 2,        /* one code byte per 254 bytes begun */
    EQ_FRAME_MAX = 2 + EQ_COBS_MAX + 1,  /* the zeros around it */
};

/* COBS. Returns the encoded length, at most bytes + bytes / 254 + 1; a last block of 254 bytes needs no code
 * after it. */
uint32_t eq_cobs_encode(const uint8_t *raw, uint32_t bytes, uint8_t *out);
/* Decodes in place; false if the codes do not add up. */
bool eq_cobs_decode(uint8_t *data, uint32_t bytes, uint32_t *decoded_bytes);

/* Returns the frame's length, zeros included. payload_bytes is at most EQ_PAYLOAD_MAX. */
uint32_t eq_frame_encode(uint8_t type, uint8_t seq, const uint8_t *payload, uint32_t payload_bytes,
                         uint8_t out[EQ_FRAME_MAX]);

typedef enum eq_event { EQ_EVENT_NONE, EQ_EVENT_TEXT, EQ_EVENT_FRAME } eq_event;

/* All zero is its start. What an event delivers holds until the next byte is fed. */
typedef struct eq_receiver {
    bool in_frame;
    uint32_t held; /* bytes in the buffer */
    uint8_t buffer[EQ_COBS_MAX];
    uint32_t dropped; /* buffers that were no sound frame */

    uint8_t text[2]; /* EQ_EVENT_TEXT */
    uint32_t text_bytes;

    uint8_t type, seq; /* EQ_EVENT_FRAME */
    const uint8_t *payload;
    uint32_t payload_bytes;
} eq_receiver;

eq_event eq_receiver_feed(eq_receiver *receiver, uint8_t byte);

/* Prints the banner, then serves people and tools until the console's stream ends, or until a reboot was
 * asked for and hal->reboot returned. The engine may be closed: its fault says why there is no model. Holds
 * static state, which each call starts anew: one console at a time. */
void eq_console_run(const eq_hal *hal, eq_engine *engine);

#endif
