/* The native engine: opens a model image, validates its plan, runs it step by step.
 *
 * No malloc, no globals: the caller owns the engine struct, the arena and the scratch. Every offset and size
 * that the image or the plan holds is checked in eq_engine_open before anything is run. */
#ifndef EQ_ENGINE_H
#define EQ_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "eq_hal.h"

typedef enum eq_status {
    EQ_OK = 0,
    EQ_NO_MODEL,    /* the partition is absent or erased */
    EQ_BAD_IMAGE,   /* header, bounds or SHA-256 of the model image */
    EQ_BAD_PLAN,    /* magic, version, CRC or a field of the plan */
    EQ_UNSUPPORTED, /* a kernel, a version or a feature that this firmware lacks */
    EQ_TOO_LARGE,   /* arena or scratch above this firmware's capacity */
    EQ_MAP_FAILED,  /* the board could not map a part of the image */
    EQ_NOT_OPEN,
    EQ_OUT_OF_RANGE,
} eq_status;

/* What was wrong: a static sentence and two numbers that belong to it (0 if none). */
typedef struct eq_fault {
    eq_status status;
    const char *what;
    uint32_t step;  /* step or table row it was found in */
    uint32_t value; /* the offending value, or the value that would be needed */
} eq_fault;

enum { EQ_NAME_MAX = 64, EQ_MAX_STEPS = 1024 };

typedef struct eq_tensor {
    uint32_t arena_offset;
    uint32_t bytes;
    float scale;
    int32_t zero_point;
    uint16_t dims[4]; /* NHWC */
} eq_tensor;

typedef struct eq_step {
    uint32_t macs;
    uint32_t op;      /* TFLite builtin code */
    uint32_t kernel;  /* id in kernels.inc */
    uint32_t output;  /* tensor index */
    const char *name; /* not terminated */
    uint32_t name_bytes;
} eq_step;

/* Where a checked plan's tables lie in its bytes, and what its header says. Private to the engine. */
typedef struct eq_plan {
    const uint8_t *bytes;
    uint32_t tflite_bytes, arena_bytes, scratch_bytes, features;
    uint32_t needs, needs_count, tensors, tensors_count, steps, steps_count;
    uint32_t params, params_bytes, names, names_bytes;
    uint32_t input, output;
} eq_plan;

typedef struct eq_engine {
    const eq_hal *hal;
    int8_t *arena;
    uint32_t arena_capacity;
    uint8_t *scratch;
    uint32_t scratch_capacity;
    bool open;
    eq_fault fault; /* of the last call that did not return EQ_OK */

    eq_plan plan; /* its bytes stay mapped while the engine is open */
    uint32_t image_bytes, tflite_offset;
    uint32_t golden_offset, golden_bytes, golden_count;
    uint8_t sha256[32];
    char name[EQ_NAME_MAX + 1];

    uint32_t steps, arena_bytes, scratch_bytes;
    uint32_t input, output; /* tensor indices */
} eq_engine;

/* Called after each step, e.g. to read the clock or hash its output. Return false to stop the run there. */
typedef bool (*eq_observer)(void *ctx, uint32_t step, const int8_t *output, uint32_t bytes);

/* Opens the image in the model partition. Arena and scratch must be 16-byte aligned. */
eq_status eq_engine_open(eq_engine *engine, const eq_hal *hal, int8_t *arena, uint32_t arena_capacity,
                         uint8_t *scratch, uint32_t scratch_capacity);
void eq_engine_close(eq_engine *engine);

/* Runs steps [0, steps); 0 means all. The input must have been written before: running overwrites it, since
 * its bytes are reused once they are read. */
eq_status eq_engine_run(eq_engine *engine, uint32_t steps, eq_observer observer, void *ctx);

/* NULL and 0 bytes while no model is open. */
int8_t *eq_engine_input(const eq_engine *engine, uint32_t *bytes);
const int8_t *eq_engine_output(const eq_engine *engine, uint32_t *bytes);
eq_status eq_engine_tensor(const eq_engine *engine, uint32_t index, eq_tensor *out);
eq_status eq_engine_step(const eq_engine *engine, uint32_t index, eq_step *out);

/* Copies golden sample `index`'s input to the arena, or compares the output with its golden output. */
eq_status eq_engine_golden_load(eq_engine *engine, uint32_t index);
eq_status eq_engine_golden_check(eq_engine *engine, uint32_t index, bool *equal, uint32_t *first_difference);

/* The kernels in this firmware, for `info`: index from 0; false behind the last. */
bool eq_engine_kernel(uint32_t index, const char **name, uint32_t *id, uint32_t *version);

const char *eq_status_text(eq_status status);

#endif
