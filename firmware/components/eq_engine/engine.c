#include <string.h>

#include "image.h"
#include "plan.h"

static eq_status fail(eq_engine *e, eq_status status, const char *what, uint32_t step, uint32_t value) {
    e->fault = (eq_fault){status, what, step, value};
    return status;
}

const char *eq_status_text(eq_status status) {
    switch (status) {
    case EQ_OK:
        return "ok";
    case EQ_NO_MODEL:
        return "no model";
    case EQ_BAD_IMAGE:
        return "bad image";
    case EQ_BAD_PLAN:
        return "bad plan";
    case EQ_UNSUPPORTED:
        return "unsupported";
    case EQ_TOO_LARGE:
        return "too large";
    case EQ_MAP_FAILED:
        return "map failed";
    case EQ_NOT_OPEN:
        return "not open";
    case EQ_OUT_OF_RANGE:
        return "out of range";
    }
    return "unknown";
}

static eq_status read_name(eq_engine *e, const eq_section *name) {
    const uint8_t *text = e->hal->map(e->hal->ctx, name->offset, name->bytes);
    if (!text) return fail(e, EQ_MAP_FAILED, "the model's name cannot be mapped", 0, name->offset);
    memcpy(e->name, text, name->bytes);
    e->name[name->bytes] = 0;
    e->hal->unmap(e->hal->ctx, text);
    return EQ_OK;
}

static eq_status check_capacity(eq_engine *e) {
    if (e->plan.arena_bytes > e->arena_capacity)
        return fail(e, EQ_TOO_LARGE, "the model needs a larger arena", 0, e->plan.arena_bytes);
    if (e->plan.scratch_bytes > e->scratch_capacity)
        return fail(e, EQ_TOO_LARGE, "the model needs a larger scratch", 0, e->plan.scratch_bytes);
    return EQ_OK;
}

static eq_status open_plan(eq_engine *e, const eq_image *image) {
    const eq_section *plan = &image->sections[EQ_SECTION_PLAN], *tflite = &image->sections[EQ_SECTION_TFLITE];
    const eq_section *golden = &image->sections[EQ_SECTION_GOLDEN];
    const uint8_t *bytes = e->hal->map(e->hal->ctx, plan->offset, plan->bytes);
    if (!bytes) return fail(e, EQ_MAP_FAILED, "the plan cannot be mapped", 0, plan->offset);
    e->plan.bytes = bytes;
    if ((uintptr_t)bytes % 4)
        return fail(e, EQ_MAP_FAILED, "the plan is not mapped on a 4-byte boundary", 0, 0);
    eq_status status = eq_plan_check(&e->plan, bytes, plan->bytes, &e->fault);
    if (status == EQ_OK) status = check_capacity(e);
    if (status != EQ_OK) return status;
    if (e->plan.tflite_bytes != tflite->bytes)
        return fail(e, EQ_BAD_PLAN, "the plan belongs to another model", 0, e->plan.tflite_bytes);
    e->tflite_offset = tflite->offset;
    e->golden_offset = golden->offset;
    e->golden_bytes =
        eq_plan_tensor(&e->plan, e->plan.input).bytes + eq_plan_tensor(&e->plan, e->plan.output).bytes;
    e->golden_count = golden->bytes / e->golden_bytes;
    if (golden->bytes % e->golden_bytes)
        return fail(e, EQ_BAD_IMAGE, "the golden samples have a wrong size", 0, golden->bytes);
    return EQ_OK;
}

eq_status eq_engine_open(eq_engine *e, const eq_hal *hal, int8_t *arena, uint32_t arena_capacity,
                         uint8_t *scratch, uint32_t scratch_capacity) {
    memset(e, 0, sizeof *e);
    e->hal = hal;
    e->arena = arena;
    e->arena_capacity = arena_capacity;
    e->scratch = scratch;
    e->scratch_capacity = scratch_capacity;
    eq_image image;
    eq_status status = eq_image_check(&image, hal, &e->fault);
    if (status == EQ_OK) status = read_name(e, &image.sections[EQ_SECTION_NAME]);
    if (status == EQ_OK) status = open_plan(e, &image);
    if (status != EQ_OK) {
        eq_engine_close(e);
        return status;
    }
    e->image_bytes = image.bytes;
    e->steps = e->plan.steps_count;
    e->arena_bytes = e->plan.arena_bytes;
    e->scratch_bytes = e->plan.scratch_bytes;
    e->input = e->plan.input;
    e->output = e->plan.output;
    memcpy(e->sha256, image.sha256, sizeof e->sha256);
    memset(arena, 0, e->plan.arena_bytes);
    e->open = true;
    return EQ_OK;
}

void eq_engine_close(eq_engine *e) {
    if (e->plan.bytes) e->hal->unmap(e->hal->ctx, e->plan.bytes);
    e->plan.bytes = NULL;
    e->open = false;
}

/* A range of the .tflite as mapped bytes; NULL for an empty one. */
static eq_status map_range(eq_engine *e, uint32_t step, const eq_range *range, const void **data) {
    *data = NULL;
    if (!range->bytes) return EQ_OK;
    *data = e->hal->map(e->hal->ctx, e->tflite_offset + range->offset, range->bytes);
    return *data ? EQ_OK : fail(e, EQ_MAP_FAILED, "a step's weights cannot be mapped", step, range->bytes);
}

static eq_status run_step(eq_engine *e, uint32_t index) {
    const eq_step_kind *kind;
    eq_call call = eq_plan_call(&e->plan, index, &kind);
    const char *what =
        kind->check(&call); /* sets the ranges; the plan cannot have changed since it was opened */
    if (what) return fail(e, EQ_BAD_PLAN, what, index, 0);
    const void *weights, *bias = NULL;
    eq_status status = map_range(e, index, &call.weights, &weights);
    if (status == EQ_OK) status = map_range(e, index, &call.bias, &bias);
    if (status == EQ_OK) {
        call.x[0] = e->arena + call.in[0].arena_offset;
        call.x[1] = e->arena + call.in[1].arena_offset;
        call.y = e->arena + call.out.arena_offset;
        call.weights_data = weights;
        call.bias_data = bias;
        kind->run(&call);
    }
    if (bias) e->hal->unmap(e->hal->ctx, bias);
    if (weights) e->hal->unmap(e->hal->ctx, weights);
    return status;
}

eq_status eq_engine_run(eq_engine *e, uint32_t steps, eq_observer observer, void *ctx) {
    if (!e->open) return EQ_NOT_OPEN;
    if (steps > e->plan.steps_count) return fail(e, EQ_OUT_OF_RANGE, "there are not so many steps", 0, steps);
    if (!steps) steps = e->plan.steps_count;
    for (uint32_t i = 0; i < steps; i++) {
        eq_status status = run_step(e, i);
        if (status != EQ_OK) return status;
        eq_tensor out = eq_plan_tensor(&e->plan, eq_plan_step(&e->plan, i).output);
        if (observer && !observer(ctx, i, e->arena + out.arena_offset, out.bytes)) break;
    }
    return EQ_OK;
}

int8_t *eq_engine_input(const eq_engine *e, uint32_t *bytes) {
    *bytes = 0;
    if (!e->open) return NULL;
    eq_tensor t = eq_plan_tensor(&e->plan, e->plan.input);
    *bytes = t.bytes;
    return e->arena + t.arena_offset;
}

const int8_t *eq_engine_output(const eq_engine *e, uint32_t *bytes) {
    *bytes = 0;
    if (!e->open) return NULL;
    eq_tensor t = eq_plan_tensor(&e->plan, e->plan.output);
    *bytes = t.bytes;
    return e->arena + t.arena_offset;
}

eq_status eq_engine_tensor(const eq_engine *e, uint32_t index, eq_tensor *out) {
    if (!e->open) return EQ_NOT_OPEN;
    if (index >= e->plan.tensors_count) return EQ_OUT_OF_RANGE;
    *out = eq_plan_tensor(&e->plan, index);
    return EQ_OK;
}

eq_status eq_engine_step(const eq_engine *e, uint32_t index, eq_step *out) {
    if (!e->open) return EQ_NOT_OPEN;
    if (index >= e->plan.steps_count) return EQ_OUT_OF_RANGE;
    *out = eq_plan_step(&e->plan, index);
    return EQ_OK;
}

/* Golden sample `index` as mapped bytes, input first. */
static const uint8_t *map_golden(eq_engine *e, uint32_t index) {
    const uint8_t *sample = NULL;
    if (!e->open)
        fail(e, EQ_NOT_OPEN, "no model is open", 0, 0);
    else if (index >= e->golden_count)
        fail(e, EQ_OUT_OF_RANGE, "there is no such golden sample", 0, index);
    else {
        sample = e->hal->map(e->hal->ctx, e->golden_offset + index * e->golden_bytes, e->golden_bytes);
        if (!sample) fail(e, EQ_MAP_FAILED, "a golden sample cannot be mapped", 0, index);
    }
    return sample;
}

eq_status eq_engine_golden_load(eq_engine *e, uint32_t index) {
    const uint8_t *sample = map_golden(e, index);
    if (!sample) return e->fault.status;
    uint32_t bytes;
    int8_t *input = eq_engine_input(e, &bytes);
    memcpy(input, sample, bytes);
    e->hal->unmap(e->hal->ctx, sample);
    return EQ_OK;
}

eq_status eq_engine_golden_check(eq_engine *e, uint32_t index, bool *equal, uint32_t *first_difference) {
    const uint8_t *sample = map_golden(e, index);
    if (!sample) return e->fault.status;
    uint32_t in_bytes, bytes, i = 0;
    eq_engine_input(e, &in_bytes);
    const int8_t *output = eq_engine_output(e, &bytes);
    while (i < bytes && (uint8_t)output[i] == sample[in_bytes + i]) i++;
    *equal = i == bytes;
    *first_difference = i;
    e->hal->unmap(e->hal->ctx, sample);
    return EQ_OK;
}
