/* An engine opens the model image in flash and runs it step by step. Which engine that is, is its kind:
 * `native` walks the plan with eq_kernels and is in this component; TensorFlow Lite Micro is in eq_tflm.
 *
 * No malloc, no globals: the caller owns the engine struct, the arena and the scratch. Every offset and size
 * that the image or the plan holds is checked in eq_engine_open before anything is run. */
#ifndef EQ_ENGINE_H
#define EQ_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "eq_hal.h"

#ifdef __cplusplus
extern "C" {
#endif

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
    uint32_t offset; /* in the arena; a constant's in the .tflite */
    uint32_t bytes;
    float scale;
    int32_t zero_point;
    uint16_t dims[4]; /* NHWC */
    bool constant;
    bool int32; /* 4 bytes an element: places that ARG_MAX found; else int8 */
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

/* Called after each step, e.g. to read the clock or hash its output. Return false to stop the run there. */
typedef bool (*eq_observer)(void *ctx, uint32_t step, const int8_t *output, uint32_t bytes);

typedef struct eq_engine_kind eq_engine_kind;

typedef struct eq_engine {
    const eq_engine_kind *const *kinds; /* what this firmware has */
    const eq_engine_kind *kind;         /* what is in use */
    const eq_hal *hal;
    int8_t *arena;
    uint32_t arena_capacity;
    uint8_t *scratch;
    uint32_t scratch_capacity;
    bool open;
    eq_fault fault; /* of the last call that did not return EQ_OK */

    uint32_t image_bytes, tflite_offset, tflite_bytes;
    uint32_t golden_offset, golden_bytes, golden_count;
    uint32_t labels_offset, labels_bytes;         /* UTF-8 lines; 0 bytes where there are none */
    uint32_t preprocess_offset, preprocess_bytes; /* for eq_preprocess_read; 0 bytes where there is none */
    uint8_t sha256[32];
    char name[EQ_NAME_MAX + 1];

    /* Set by the kind when it opens the model. */
    uint32_t steps, arena_bytes, scratch_bytes;
    uint32_t input, output;    /* tensor indices */
    eq_plan plan;              /* native: its bytes stay mapped while the engine is open */
    const int8_t *step_output; /* of the last step that ran */
    uint32_t step_output_bytes;
} eq_engine;

struct eq_image;

/* What an engine does differently from another. */
struct eq_engine_kind {
    const char *name;             /* "native", "tflm" */
    const char *(*version)(void); /* of what it is built with, for `info` */
    /* Opens the model of a checked image; sets steps, arena_bytes, scratch_bytes, input and output. */
    eq_status (*open)(eq_engine *engine, const struct eq_image *image);
    void (*close)(eq_engine *engine); /* also after an open that failed */
    /* Runs steps [0, steps), steps >= 1, and calls the observer after each. */
    eq_status (*run)(eq_engine *engine, uint32_t steps, eq_observer observer, void *ctx);
    int8_t *(*data)(const eq_engine *engine, uint32_t tensor); /* of the input and the output */
    eq_status (*tensor)(const eq_engine *engine, uint32_t index, eq_tensor *out);
    eq_status (*step)(const eq_engine *engine, uint32_t index, eq_step *out);
    /* Whether all of the arena but the input is free between two runs. */
    bool arena_is_free;
};

extern const eq_engine_kind eq_native;

/* Opens the image in the model partition with the first of `kinds`, the NULL-terminated table of the engines
 * that this firmware has. Arena and scratch must be 16-byte aligned. */
eq_status eq_engine_open(eq_engine *engine, const eq_engine_kind *const *kinds, const eq_hal *hal,
                         int8_t *arena, uint32_t arena_capacity, uint8_t *scratch, uint32_t scratch_capacity);
/* Closes the model and opens it again with the kind of that name. EQ_OUT_OF_RANGE, and nothing closed, if
 * there is no such kind. */
eq_status eq_engine_choose(eq_engine *engine, const char *name, uint32_t name_bytes);
void eq_engine_close(eq_engine *engine);

/* Records what went wrong; returns its status. */
eq_status eq_engine_fail(eq_engine *engine, eq_status status, const char *what, uint32_t step,
                         uint32_t value);

/* Runs steps [0, steps); 0 means all. The input must have been written before: running overwrites it, since
 * its bytes are reused once they are read. */
eq_status eq_engine_run(eq_engine *engine, uint32_t steps, eq_observer observer, void *ctx);

/* NULL and 0 bytes while no model is open. */
int8_t *eq_engine_input(const eq_engine *engine, uint32_t *bytes);
/* Memory beside the input that nothing needs until the next run, which overwrites it: room for a picture. */
uint8_t *eq_engine_room(const eq_engine *engine, uint32_t *bytes);
const int8_t *eq_engine_output(const eq_engine *engine, uint32_t *bytes);
eq_status eq_engine_tensor(const eq_engine *engine, uint32_t index, eq_tensor *out);
eq_status eq_engine_step(const eq_engine *engine, uint32_t index, eq_step *out);

/* Copies golden sample `index`'s input to the arena, or compares the output with its golden output. */
eq_status eq_engine_golden_load(eq_engine *engine, uint32_t index);
eq_status eq_engine_golden_check(eq_engine *engine, uint32_t index, bool *equal, uint32_t *first_difference);

/* The kernels in this firmware, for `info`: index from 0; false behind the last. */
bool eq_engine_kernel(uint32_t index, const char **name, uint32_t *id, uint32_t *version);

const char *eq_status_text(eq_status status);

#ifdef __cplusplus
}
#endif

#endif
