#include "eq_inference.h"

#include <string.h>

#include "eq_check.h"

bool eq_inference_write(eq_inference *inf, uint32_t offset, const uint8_t *data, uint32_t bytes) {
    uint32_t size;
    int8_t *input = eq_engine_input(inf->engine, &size);
    if (offset > inf->input_held || bytes > size - offset) return false;
    memcpy(input + offset, data, bytes);
    if (offset + bytes > inf->input_held) inf->input_held = offset + bytes;
    inf->steps_done = 0;
    return true;
}

eq_status eq_inference_choose(eq_inference *inf, const char *engine, uint32_t name_bytes) {
    eq_status status = eq_engine_choose(inf->engine, engine, name_bytes);
    if (status != EQ_OUT_OF_RANGE) inf->input_held = inf->steps_done = inf->hashed = inf->profiled = 0;
    return status;
}

static void input_is_whole(eq_inference *inf) {
    eq_engine_input(inf->engine, &inf->input_held);
    inf->steps_done = 0;
}

eq_status eq_inference_golden(eq_inference *inf, uint32_t index) {
    eq_status status = eq_engine_golden_load(inf->engine, index);
    if (status == EQ_OK) input_is_whole(inf);
    return status;
}

eq_status eq_inference_sample(eq_inference *inf) {
    if (inf->engine->golden_count) return eq_inference_golden(inf, 0);
    uint32_t size;
    int8_t *input = eq_engine_input(inf->engine, &size);
    memset(input, 0, size);
    input_is_whole(inf);
    return EQ_OK;
}

bool eq_inference_ready(const eq_inference *inf) {
    uint32_t size;
    eq_engine_input(inf->engine, &size);
    return inf->input_held == size;
}

typedef struct run {
    eq_inference *inf;
    uint32_t flags, steps;
    eq_progress progress;
    void *progress_ctx;
    uint64_t begun, total;
} run;

static bool after_step(void *ctx, uint32_t step, const int8_t *output, uint32_t bytes) {
    run *r = ctx;
    eq_inference *inf = r->inf;
    uint64_t ticks = inf->hal->clock(inf->hal->ctx) - r->begun;
    r->total += ticks;
    if (step < EQ_MAX_STEPS) {
        if (r->flags & EQ_RUN_PROFILE) {
            inf->ticks[step] = ticks;
            inf->profiled = step + 1;
        }
        if (r->flags & EQ_RUN_HASH) {
            uint8_t digest[32];
            eq_sha256 sha;
            eq_sha256_init(&sha);
            eq_sha256_update(&sha, (const uint8_t *)output, bytes);
            eq_sha256_final(&sha, digest);
            memcpy(inf->hashes[step], digest, 8);
            inf->hashed = step + 1;
        }
    }
    if (r->progress) r->progress(r->progress_ctx, step + 1, r->steps);
    r->begun = inf->hal->clock(inf->hal->ctx); /* what came since the step does not count */
    return true;
}

eq_status eq_inference_run(eq_inference *inf, uint32_t flags, uint32_t steps, eq_progress progress, void *ctx,
                           uint64_t *ticks) {
    if (steps == 0) steps = inf->engine->steps;
    if (flags & EQ_RUN_PROFILE) inf->profiled = 0;
    if (flags & EQ_RUN_HASH) inf->hashed = 0;
    inf->input_held = inf->steps_done = 0;
    run r = {.inf = inf, .flags = flags, .steps = steps, .progress = progress, .progress_ctx = ctx};
    r.begun = inf->hal->clock(inf->hal->ctx);
    eq_status status = eq_engine_run(inf->engine, steps, after_step, &r);
    if (status == EQ_OK) inf->steps_done = steps;
    *ticks = r.total;
    return status;
}
