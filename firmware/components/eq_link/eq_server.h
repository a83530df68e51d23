/* Answers the tool's requests (docs/link-protocol.md). */
#ifndef EQ_SERVER_H
#define EQ_SERVER_H

#include "eq_inference.h"
#include "eq_link.h"
#include "eq_text.h"
#include "eq_trigger.h"

typedef enum eq_error {
    EQ_ERROR_NONE = 0,
    EQ_ERROR_UNKNOWN = 1,
    EQ_ERROR_MALFORMED = 2,
    EQ_ERROR_RANGE = 3,
    EQ_ERROR_NO_MODEL = 4,
    EQ_ERROR_NOT_READY = 5,
    EQ_ERROR_ENGINE = 6,
    EQ_ERROR_REFUSED = 7,
    EQ_ERROR_NO_HELLO = 8,
} eq_error;

typedef struct eq_server {
    eq_inference *inference;
    eq_trigger *trigger;
    bool greeted;      /* HELLO came since boot */
    bool reboot;       /* asked for, and answered */
    uint8_t type, seq; /* of the request that `answer` answers; type 0: none */
    uint8_t answer[EQ_FRAME_MAX];
    uint32_t answer_bytes;
} eq_server;

/* Answers one sound frame; frames that are no requests are ignored. */
void eq_server_frame(eq_server *server, uint8_t type, uint8_t seq, const uint8_t *payload, uint32_t bytes);

/* The facts of `info`: lines "key=value", or a table for a person. */
void eq_info(const eq_text *out, const eq_hal *hal, const eq_engine *engine, bool table);

#endif
