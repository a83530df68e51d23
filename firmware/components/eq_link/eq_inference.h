/* One inference with what was measured on the way; shared by the server and the console. */
#ifndef EQ_INFERENCE_H
#define EQ_INFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "eq_engine.h"
#include "eq_preprocess.h"

enum { EQ_RUN_HASH = 1, EQ_RUN_PROFILE = 2 };

typedef struct eq_inference {
    const eq_hal *hal;
    eq_engine *engine;
    uint32_t input_held;       /* bytes of the input written since the last run; a run uses them up */
    uint32_t steps_done;       /* of the last run, if the input has not been touched since; else 0 */
    eq_picture picture;        /* being written beside the input; no pixels: none is */
    uint32_t picture_held;     /* its bytes so far */
    uint32_t hashed, profiled; /* rows of the tables below that hold the last run */
    uint8_t hashes[EQ_MAX_STEPS][8];
    uint64_t
        ticks[EQ_MAX_STEPS]; /* each step's; the console's bench keeps its samples here, then profiled is 0 */
} eq_inference;

/* Called after each step. */
typedef void (*eq_progress)(void *ctx, uint32_t done, uint32_t all);

/* Bytes [offset, offset + bytes) of the input; false if they lie beyond its end or leave a gap before them.
 */
bool eq_inference_write(eq_inference *inference, uint32_t offset, const uint8_t *data, uint32_t bytes);
eq_status eq_inference_golden(eq_inference *inference, uint32_t index);
/* Golden sample 0, or zeros where the image has none. */
eq_status eq_inference_sample(eq_inference *inference);
/* Opens the model with another engine; what was measured is forgotten. */
eq_status eq_inference_choose(eq_inference *inference, const char *engine, uint32_t name_bytes);

/* How pictures become this model's input. NULL, or a static sentence on why they cannot. */
const char *eq_inference_preprocess(const eq_inference *inference, eq_preprocess *out);
/* Begins a picture of these dimensions beside the input, which is no longer there. EQ_TOO_LARGE if it has no
 * room: `takes` and `room` are bytes. */
eq_status eq_inference_picture(eq_inference *inference, const eq_picture *dimensions, uint32_t *takes,
                               uint32_t *room);
/* Bytes [offset, offset + bytes) of the picture; the last ones make it the input. False if there is no
 * picture, or they lie beyond its end or leave a gap before them. */
bool eq_inference_pixels(eq_inference *inference, uint32_t offset, const uint8_t *data, uint32_t bytes);

bool eq_inference_ready(const eq_inference *inference); /* the whole input is there */

/* Runs steps [0, steps), 0 for all. ticks is the time of the steps alone: neither hashing nor progress count.
 */
eq_status eq_inference_run(eq_inference *inference, uint32_t flags, uint32_t steps, eq_progress progress,
                           void *ctx, uint64_t *ticks);

#endif
