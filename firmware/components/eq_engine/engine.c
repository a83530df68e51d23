#include <string.h>

#include "eq_image.h"

eq_status eq_engine_fail(eq_engine *e, eq_status status, const char *what, uint32_t step, uint32_t value) {
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
    if (!text) return eq_engine_fail(e, EQ_MAP_FAILED, "the model's name cannot be mapped", 0, name->offset);
    memcpy(e->name, text, name->bytes);
    e->name[name->bytes] = 0;
    e->hal->unmap(e->hal->ctx, text);
    return EQ_OK;
}

/* The golden samples, whose size the model's tensors give. */
static eq_status find_golden(eq_engine *e, const eq_section *golden) {
    eq_tensor input, output;
    eq_status status = e->kind->tensor(e, e->input, &input);
    if (status == EQ_OK) status = e->kind->tensor(e, e->output, &output);
    if (status != EQ_OK) return status;
    e->golden_offset = golden->offset;
    e->golden_bytes = input.bytes + output.bytes;
    e->golden_count = golden->bytes / e->golden_bytes;
    if (golden->bytes % e->golden_bytes)
        return eq_engine_fail(e, EQ_BAD_IMAGE, "the golden samples have a wrong size", 0, golden->bytes);
    return EQ_OK;
}

/* The image as it lies in flash now, with e->kind. */
static eq_status open_image(eq_engine *e) {
    eq_image image;
    eq_status status = eq_image_check(&image, e->hal, &e->fault);
    if (status == EQ_OK) status = read_name(e, &image.sections[EQ_SECTION_NAME]);
    if (status != EQ_OK) return status;
    e->image_bytes = image.bytes;
    memcpy(e->sha256, image.sha256, sizeof e->sha256);
    e->tflite_offset = image.sections[EQ_SECTION_TFLITE].offset;
    e->tflite_bytes = image.sections[EQ_SECTION_TFLITE].bytes;
    e->labels_offset = image.sections[EQ_SECTION_LABELS].offset;
    e->labels_bytes = image.sections[EQ_SECTION_LABELS].bytes;
    e->preprocess_offset = image.sections[EQ_SECTION_PREPROCESS].offset;
    e->preprocess_bytes = image.sections[EQ_SECTION_PREPROCESS].bytes;
    status = e->kind->open(e, &image);
    if (status == EQ_OK) status = find_golden(e, &image.sections[EQ_SECTION_GOLDEN]);
    e->open = status == EQ_OK;
    if (status != EQ_OK) e->kind->close(e);
    return status;
}

eq_status eq_engine_open(eq_engine *e, const eq_engine_kind *const *kinds, const eq_hal *hal, int8_t *arena,
                         uint32_t arena_capacity, uint8_t *scratch, uint32_t scratch_capacity) {
    memset(e, 0, sizeof *e);
    e->kinds = kinds;
    e->kind = kinds[0];
    e->hal = hal;
    e->arena = arena;
    e->arena_capacity = arena_capacity;
    e->scratch = scratch;
    e->scratch_capacity = scratch_capacity;
    return open_image(e);
}

eq_status eq_engine_choose(eq_engine *e, const char *name, uint32_t name_bytes) {
    for (const eq_engine_kind *const *kind = e->kinds; *kind; kind++) {
        if (strlen((*kind)->name) != name_bytes || memcmp((*kind)->name, name, name_bytes)) continue;
        eq_engine_close(e);
        e->kind = *kind;
        return open_image(e);
    }
    return eq_engine_fail(e, EQ_OUT_OF_RANGE, "this firmware has no such engine", 0, 0);
}

void eq_engine_close(eq_engine *e) {
    if (e->open) e->kind->close(e);
    e->open = false;
}

typedef struct watch {
    eq_engine *engine;
    eq_observer observer;
    void *ctx;
} watch;

static bool after_step(void *ctx, uint32_t step, const int8_t *output, uint32_t bytes) {
    const watch *w = ctx;
    w->engine->step_output = output;
    w->engine->step_output_bytes = bytes;
    return !w->observer || w->observer(w->ctx, step, output, bytes);
}

eq_status eq_engine_run(eq_engine *e, uint32_t steps, eq_observer observer, void *ctx) {
    if (!e->open) return EQ_NOT_OPEN;
    if (steps > e->steps) return eq_engine_fail(e, EQ_OUT_OF_RANGE, "there are not so many steps", 0, steps);
    watch w = {e, observer, ctx};
    return e->kind->run(e, steps ? steps : e->steps, after_step, &w);
}

static int8_t *end_data(const eq_engine *e, uint32_t tensor, uint32_t *bytes) {
    eq_tensor t;
    *bytes = 0;
    if (!e->open || e->kind->tensor(e, tensor, &t) != EQ_OK) return NULL;
    *bytes = t.bytes;
    return e->kind->data(e, tensor);
}

int8_t *eq_engine_input(const eq_engine *e, uint32_t *bytes) {
    return end_data(e, e->input, bytes);
}

uint8_t *eq_engine_room(const eq_engine *e, uint32_t *bytes) {
    uint8_t *room = e->scratch;
    uint32_t input_bytes;
    int8_t *input = eq_engine_input(e, &input_bytes);
    *bytes = e->open ? e->scratch_capacity : 0;
    if (!e->open || !e->kind->arena_is_free) return room;
    uint32_t before = (uint32_t)(input - e->arena), behind = e->arena_capacity - before - input_bytes;
    if (before > *bytes) {
        room = (uint8_t *)e->arena;
        *bytes = before;
    }
    if (behind > *bytes) {
        room = (uint8_t *)input + input_bytes;
        *bytes = behind;
    }
    return room;
}

const int8_t *eq_engine_output(const eq_engine *e, uint32_t *bytes) {
    return end_data(e, e->output, bytes);
}

eq_status eq_engine_tensor(const eq_engine *e, uint32_t index, eq_tensor *out) {
    return e->open ? e->kind->tensor(e, index, out) : EQ_NOT_OPEN;
}

eq_status eq_engine_step(const eq_engine *e, uint32_t index, eq_step *out) {
    if (!e->open) return EQ_NOT_OPEN;
    return index < e->steps ? e->kind->step(e, index, out) : EQ_OUT_OF_RANGE;
}

/* Golden sample `index` as mapped bytes, input first. */
static const uint8_t *map_golden(eq_engine *e, uint32_t index) {
    const uint8_t *sample = NULL;
    if (!e->open)
        eq_engine_fail(e, EQ_NOT_OPEN, "no model is open", 0, 0);
    else if (index >= e->golden_count)
        eq_engine_fail(e, EQ_OUT_OF_RANGE, "there is no such golden sample", 0, index);
    else {
        sample = e->hal->map(e->hal->ctx, e->golden_offset + index * e->golden_bytes, e->golden_bytes);
        if (!sample) eq_engine_fail(e, EQ_MAP_FAILED, "a golden sample cannot be mapped", 0, index);
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
