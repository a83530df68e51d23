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
    inf->picture.pixels = NULL;
    return true;
}

eq_status eq_inference_choose(eq_inference *inf, const char *engine, uint32_t name_bytes) {
    eq_status status = eq_engine_choose(inf->engine, engine, name_bytes);
    if (status == EQ_OUT_OF_RANGE) return status; /* nothing was closed */
    inf->input_held = inf->steps_done = inf->hashed = inf->profiled = 0;
    inf->picture.pixels = NULL;
    return status;
}

static void input_is_whole(eq_inference *inf) {
    eq_engine_input(inf->engine, &inf->input_held);
    inf->steps_done = 0;
    inf->picture.pixels = NULL;
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

const char *eq_inference_preprocess(const eq_inference *inf, eq_preprocess *out) {
    const eq_engine *e = inf->engine;
    if (!e->preprocess_bytes) return "the model image says nothing about pictures";
    const uint8_t *section = inf->hal->map(inf->hal->ctx, e->preprocess_offset, e->preprocess_bytes);
    if (!section) return "the preprocessing cannot be mapped";
    const char *why = eq_preprocess_read(out, section, e->preprocess_bytes);
    inf->hal->unmap(inf->hal->ctx, section);
    eq_tensor input;
    if (why || eq_engine_tensor(e, e->input, &input) != EQ_OK) return why ? why : "the model has no input";
    bool same = out->height == input.dims[1] && out->width == input.dims[2] && out->channels == input.dims[3];
    return same ? NULL : "the preprocessing is for an input of another size";
}

eq_status eq_inference_picture(eq_inference *inf, const eq_picture *dimensions, uint32_t *takes,
                               uint32_t *room) {
    uint8_t *pixels = eq_engine_room(inf->engine, room);
    *takes = eq_picture_bytes(dimensions->height, dimensions->width, dimensions->channels);
    if (!*takes) return EQ_OUT_OF_RANGE;
    if (*takes > *room) return EQ_TOO_LARGE;
    inf->picture = *dimensions;
    inf->picture.pixels = pixels;
    inf->picture_held = inf->input_held = inf->steps_done = 0;
    return EQ_OK;
}

bool eq_inference_pixels(eq_inference *inf, uint32_t offset, const uint8_t *data, uint32_t bytes) {
    const eq_picture *picture = &inf->picture;
    uint32_t room, size = eq_picture_bytes(picture->height, picture->width, picture->channels);
    if (!picture->pixels || offset > inf->picture_held || bytes > size - offset) return false;
    memcpy(eq_engine_room(inf->engine, &room) + offset, data, bytes);
    if (offset + bytes > inf->picture_held) inf->picture_held = offset + bytes;
    if (inf->picture_held < size) return true;
    eq_preprocess rule;
    if (eq_inference_preprocess(inf, &rule)) return false;
    uint32_t input_bytes;
    eq_preprocess_run(&rule, picture, eq_engine_input(inf->engine, &input_bytes));
    input_is_whole(inf);
    return true;
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
    inf->picture.pixels = NULL;
    run r = {.inf = inf, .flags = flags, .steps = steps, .progress = progress, .progress_ctx = ctx};
    r.begun = inf->hal->clock(inf->hal->ctx);
    eq_status status = eq_engine_run(inf->engine, steps, after_step, &r);
    if (status == EQ_OK) inf->steps_done = steps;
    *ticks = r.total;
    return status;
}
