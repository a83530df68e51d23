/* The native engine: walks the plan, maps each step's weights while it runs, calls eq_kernels. */
#include <string.h>

#include "eq_image.h"
#include "plan.h"

static eq_status check_capacity(eq_engine *e) {
    if (e->plan.arena_bytes > e->arena_capacity)
        return eq_engine_fail(e, EQ_TOO_LARGE, "the model needs a larger arena", 0, e->plan.arena_bytes);
    if (e->plan.scratch_bytes > e->scratch_capacity)
        return eq_engine_fail(e, EQ_TOO_LARGE, "the model needs a larger scratch", 0, e->plan.scratch_bytes);
    return EQ_OK;
}

static eq_status open(eq_engine *e, const eq_image *image) {
    const eq_section *plan = &image->sections[EQ_SECTION_PLAN];
    const uint8_t *bytes = e->hal->map(e->hal->ctx, plan->offset, plan->bytes);
    if (!bytes) return eq_engine_fail(e, EQ_MAP_FAILED, "the plan cannot be mapped", 0, plan->offset);
    e->plan.bytes = bytes;
    if ((uintptr_t)bytes % 4)
        return eq_engine_fail(e, EQ_MAP_FAILED, "the plan is not mapped on a 4-byte boundary", 0, 0);
    eq_status status = eq_plan_check(&e->plan, bytes, plan->bytes, &e->fault);
    if (status == EQ_OK) status = check_capacity(e);
    if (status != EQ_OK) return status;
    if (e->plan.tflite_bytes != e->tflite_bytes)
        return eq_engine_fail(e, EQ_BAD_PLAN, "the plan belongs to another model", 0, e->plan.tflite_bytes);
    e->steps = e->plan.steps_count;
    e->arena_bytes = e->plan.arena_bytes;
    e->scratch_bytes = e->plan.scratch_bytes;
    e->input = e->plan.input;
    e->output = e->plan.output;
    memset(e->arena, 0, e->plan.arena_bytes);
    return EQ_OK;
}

static void close(eq_engine *e) {
    if (e->plan.bytes) e->hal->unmap(e->hal->ctx, e->plan.bytes);
    e->plan.bytes = NULL;
}

/* What a step reads in place: its constant inputs or its weights and its bias, never both. */
enum { FIRST, SECOND, WEIGHTS, BIAS, WINDOWS };

/* Ranges of the .tflite as mapped bytes; NULL for an empty one. */
static eq_status map_ranges(eq_engine *e, uint32_t step, const eq_range *ranges, const void **data) {
    for (int i = 0; i < WINDOWS; i++) {
        if (!ranges[i].bytes) continue;
        data[i] = e->hal->map(e->hal->ctx, e->tflite_offset + ranges[i].offset, ranges[i].bytes);
        if (!data[i])
            return eq_engine_fail(e, EQ_MAP_FAILED, "a step's weights cannot be mapped", step,
                                  ranges[i].bytes);
    }
    return EQ_OK;
}

static eq_range constant(const eq_tensor *t) {
    return t->constant ? (eq_range){t->offset, t->bytes} : (eq_range){0, 0};
}

static eq_status run_step(eq_engine *e, uint32_t index) {
    const eq_step_kind *kind;
    eq_call call = eq_plan_call(&e->plan, index, &kind);
    const char *what =
        kind->check(&call); /* sets the ranges; the plan cannot have changed since it was opened */
    if (what) return eq_engine_fail(e, EQ_BAD_PLAN, what, index, 0);
    const void *data[WINDOWS] = {NULL};
    const eq_range ranges[WINDOWS] = {constant(&call.in[0]), constant(&call.in[1]), call.weights, call.bias};
    eq_status status = map_ranges(e, index, ranges, data);
    if (status == EQ_OK) {
        for (int i = FIRST; i <= SECOND; i++)
            call.x[i] = call.in[i].constant ? data[i] : e->arena + call.in[i].offset;
        call.y = e->arena + call.out.offset;
        call.weights_data = data[WEIGHTS];
        call.bias_data = data[BIAS];
        call.scratch = e->scratch;
        kind->run(&call);
    }
    for (int i = WINDOWS; i-- > 0;)
        if (data[i]) e->hal->unmap(e->hal->ctx, data[i]);
    return status;
}

static eq_status run(eq_engine *e, uint32_t steps, eq_observer observer, void *ctx) {
    for (uint32_t i = 0; i < steps; i++) {
        eq_status status = run_step(e, i);
        if (status != EQ_OK) return status;
        eq_tensor out = eq_plan_tensor(&e->plan, eq_plan_step(&e->plan, i).output);
        if (!observer(ctx, i, e->arena + out.offset, out.bytes)) break;
    }
    return EQ_OK;
}

static int8_t *data(const eq_engine *e, uint32_t index) {
    return e->arena + eq_plan_tensor(&e->plan, index).offset;
}

static eq_status tensor(const eq_engine *e, uint32_t index, eq_tensor *out) {
    if (index >= e->plan.tensors_count) return EQ_OUT_OF_RANGE;
    *out = eq_plan_tensor(&e->plan, index);
    return EQ_OK;
}

static eq_status step(const eq_engine *e, uint32_t index, eq_step *out) {
    *out = eq_plan_step(&e->plan, index);
    return EQ_OK;
}

static const char *version(void) {
#if defined(EQ_MAC16)
    return "C kernels, MAC16 convolutions";
#else
    return "C kernels";
#endif
}

const eq_engine_kind eq_native = {
    .name = "native",
    .version = version,
    .open = open,
    .close = close,
    .run = run,
    .data = data,
    .tensor = tensor,
    .step = step,
    .arena_is_free = true,
};
