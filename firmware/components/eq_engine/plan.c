#include <float.h>
#include <string.h>

#include "eq_check.h"
#include "plan.h"

/* Parameters and biases are read in place. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the plan is little-endian");

enum { HEADER = 80, NEED = 4, TENSOR = 32, STEP = 52, MAX_TENSORS = 4096, MAX_NEEDS = 256 };
enum { ACTIVATION, CONSTANT, ACTIVATION_INT32 }; /* where a tensor lies: in the arena, in the .tflite */

uint16_t eq_read_u16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t eq_read_u32(const uint8_t *p) {
    return (uint32_t)eq_read_u16(p) | (uint32_t)eq_read_u16(p + 2) << 16;
}

static eq_status fail(eq_fault *fault, eq_status status, const char *what, uint32_t step, uint32_t value) {
    *fault = (eq_fault){status, what, step, value};
    return status;
}

static bool inside(uint32_t offset, uint64_t bytes, uint32_t size) {
    return offset <= size && bytes <= size - offset;
}

static uint32_t crc_without_itself(const uint8_t *bytes, uint32_t size) {
    static const uint8_t zero[4];
    uint32_t crc = eq_crc32(0, bytes, 12);
    crc = eq_crc32(crc, zero, 4);
    return eq_crc32(crc, bytes + 16, size - 16);
}

eq_tensor eq_plan_tensor(const eq_plan *plan, uint32_t index) {
    const uint8_t *row = plan->bytes + plan->tensors + index * TENSOR;
    eq_tensor t = {.offset = eq_read_u32(row), .bytes = eq_read_u32(row + 4)};
    uint32_t scale = eq_read_u32(row + 8);
    memcpy(&t.scale, &scale, sizeof scale);
    t.zero_point = (int32_t)eq_read_u32(row + 12);
    for (unsigned i = 0; i < 4; i++) t.dims[i] = eq_read_u16(row + 16 + 2 * i);
    uint32_t place = eq_read_u32(row + 28);
    t.constant = place == CONSTANT;
    t.int32 = place == ACTIVATION_INT32;
    return t;
}

eq_step eq_plan_step(const eq_plan *plan, uint32_t index) {
    const uint8_t *row = plan->bytes + plan->steps + index * STEP;
    return (eq_step){
        .kernel = eq_read_u16(row),
        .op = eq_read_u16(row + 2),
        .output = eq_read_u32(row + 12),
        .name = (const char *)plan->bytes + plan->names + eq_read_u32(row + 24),
        .name_bytes = eq_read_u32(row + 28),
        .macs = eq_read_u32(row + 32),
    };
}

eq_call eq_plan_call(const eq_plan *plan, uint32_t index, const eq_step_kind **kind) {
    const uint8_t *row = plan->bytes + plan->steps + index * STEP;
    uint32_t second = eq_read_u32(row + 8);
    eq_call call = {
        .params = (const int32_t *)(const void *)(plan->bytes + plan->params + eq_read_u32(row + 16)),
        .params_count = eq_read_u32(row + 20) / 4,
        .has_second = second != EQ_NONE,
        .scratch_bytes = plan->scratch_bytes,
    };
    call.in[0] = eq_plan_tensor(plan, eq_read_u32(row + 4));
    if (call.has_second) call.in[1] = eq_plan_tensor(plan, second);
    call.out = eq_plan_tensor(plan, eq_read_u32(row + 12));
    *kind = eq_step_kind_find(eq_read_u16(row));
    return call;
}

static eq_status check_needs(const eq_plan *plan, eq_fault *fault) {
    for (uint32_t i = 0; i < plan->needs_count; i++) {
        const uint8_t *row = plan->bytes + plan->needs + i * NEED;
        uint32_t id = eq_read_u16(row), version = eq_read_u16(row + 2);
        const eq_step_kind *kind = eq_step_kind_find(id);
        if (!kind) return fail(fault, EQ_UNSUPPORTED, "the model needs a kernel this firmware lacks", i, id);
        if (kind->version != version)
            return fail(fault, EQ_UNSUPPORTED, "the model needs another version of a kernel", i, id);
    }
    if (plan->features)
        return fail(fault, EQ_UNSUPPORTED, "the model needs a chip feature this firmware lacks", 0,
                    plan->features);
    return EQ_OK;
}

static eq_status check_tensor(const eq_plan *plan, uint32_t index, eq_fault *fault) {
    eq_tensor t = eq_plan_tensor(plan, index);
    uint64_t bytes = t.int32 ? sizeof(int32_t) : 1;
    for (unsigned i = 0; i < 4; i++) bytes *= t.dims[i];
    if (!bytes || bytes != t.bytes || t.dims[0] != 1)
        return fail(fault, EQ_BAD_PLAN, "a tensor's size does not fit its dimensions", index, t.bytes);
    if (eq_read_u32(plan->bytes + plan->tensors + index * TENSOR + 28) > ACTIVATION_INT32)
        return fail(fault, EQ_BAD_PLAN, "a tensor is neither an activation nor a constant", index, 0);
    if (t.constant && !inside(t.offset, t.bytes, plan->tflite_bytes))
        return fail(fault, EQ_BAD_PLAN, "a constant lies outside the model", index, t.offset);
    if (!t.constant && (t.offset % 16 || !inside(t.offset, t.bytes, plan->arena_bytes)))
        return fail(fault, EQ_BAD_PLAN, "a tensor lies outside the arena", index, t.offset);
    if (!eq_is_int8(t.zero_point) || !(t.scale > 0.0f && t.scale <= FLT_MAX))
        return fail(fault, EQ_BAD_PLAN, "a tensor's scale or zero point is out of range", index, 0);
    return EQ_OK;
}

static bool overlap(const eq_tensor *a, const eq_tensor *b) {
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static bool may_share(const eq_step_kind *kind, const eq_tensor *in, const eq_tensor *out) {
    if (in->constant || !overlap(in, out)) return true;
    return kind->in_place && in->offset == out->offset && in->bytes == out->bytes;
}

/* Whether the kernel is among the needs, whose versions are compared already. */
static bool is_needed(const eq_plan *plan, uint32_t kernel) {
    for (uint32_t i = 0; i < plan->needs_count; i++)
        if (eq_read_u16(plan->bytes + plan->needs + i * NEED) == kernel) return true;
    return false;
}

static eq_status check_step(const eq_plan *plan, uint32_t index, eq_fault *fault) {
    const uint8_t *row = plan->bytes + plan->steps + index * STEP;
    uint32_t first = eq_read_u32(row + 4), second = eq_read_u32(row + 8), out = eq_read_u32(row + 12);
    uint32_t params = eq_read_u32(row + 16), params_bytes = eq_read_u32(row + 20);
    uint32_t name = eq_read_u32(row + 24), name_bytes = eq_read_u32(row + 28);
    if (first >= plan->tensors_count || out >= plan->tensors_count ||
        (second != EQ_NONE && second >= plan->tensors_count))
        return fail(fault, EQ_BAD_PLAN, "a step names a tensor that does not exist", index, out);
    if (params % 4 || params_bytes % 4 || !inside(params, params_bytes, plan->params_bytes))
        return fail(fault, EQ_BAD_PLAN, "a step's parameters lie outside the plan", index, params);
    if (name_bytes > EQ_NAME_MAX || !inside(name, name_bytes, plan->names_bytes))
        return fail(fault, EQ_BAD_PLAN, "a step's name lies outside the plan", index, name);
    const eq_step_kind *kind;
    eq_call call = eq_plan_call(plan, index, &kind);
    if (!kind)
        return fail(fault, EQ_UNSUPPORTED, "a step uses a kernel this firmware lacks", index,
                    eq_read_u16(row));
    if (!is_needed(plan, kind->id))
        return fail(fault, EQ_BAD_PLAN, "a step uses a kernel that is not among the needs", index, kind->id);
    if (call.out.constant) return fail(fault, EQ_BAD_PLAN, "a step writes to a constant", index, out);
    if (call.in[0].int32 || call.in[1].int32 || call.out.int32 != kind->int32)
        return fail(fault, EQ_BAD_PLAN, "a step reads or writes another type", index, out);
    if (!may_share(kind, &call.in[0], &call.out) ||
        (call.has_second && !may_share(kind, &call.in[1], &call.out)))
        return fail(fault, EQ_BAD_PLAN, "a step's output overlaps its input", index, call.out.offset);
    const char *what = kind->check(&call);
    if (what) return fail(fault, EQ_BAD_PLAN, what, index, 0);
    if (call.weights.bytes && (call.in[0].constant || call.in[1].constant))
        return fail(fault, EQ_BAD_PLAN, "a step with weights reads a constant besides", index, first);
    if (!inside(call.weights.offset, call.weights.bytes, plan->tflite_bytes) ||
        !inside(call.bias.offset, call.bias.bytes, plan->tflite_bytes))
        return fail(fault, EQ_BAD_PLAN, "a step's weights lie outside the model", index, call.weights.offset);
    return EQ_OK;
}

static bool table_inside(uint32_t offset, uint32_t count, uint32_t row, uint32_t size) {
    return offset >= HEADER && offset % 4 == 0 && inside(offset, (uint64_t)count * row, size);
}

static eq_status check_header(eq_plan *plan, uint32_t size, eq_fault *fault) {
    const uint8_t *b = plan->bytes;
    if (size < HEADER || memcmp(b, "EQPL", 4)) return fail(fault, EQ_BAD_PLAN, "there is no plan", 0, size);
    if (eq_read_u16(b + 4) != 2)
        return fail(fault, EQ_UNSUPPORTED, "the plan has another version", 0, eq_read_u16(b + 4));
    if (eq_read_u32(b + 8) != size)
        return fail(fault, EQ_BAD_PLAN, "the plan's length is wrong", 0, eq_read_u32(b + 8));
    if (crc_without_itself(b, size) != eq_read_u32(b + 12))
        return fail(fault, EQ_BAD_PLAN, "the plan's CRC-32 does not match", 0, eq_read_u32(b + 12));
    uint32_t *fields[] = {&plan->tflite_bytes, &plan->arena_bytes, &plan->scratch_bytes, &plan->features,
                          &plan->needs,        &plan->needs_count, &plan->tensors,       &plan->tensors_count,
                          &plan->steps,        &plan->steps_count, &plan->params,        &plan->params_bytes,
                          &plan->names,        &plan->names_bytes, &plan->input,         &plan->output};
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) *fields[i] = eq_read_u32(b + 16 + 4 * i);
    if (!plan->steps_count || plan->steps_count > EQ_MAX_STEPS || !plan->tensors_count ||
        plan->tensors_count > MAX_TENSORS || plan->needs_count > MAX_NEEDS)
        return fail(fault, EQ_BAD_PLAN, "the plan has too many or no steps or tensors", 0, plan->steps_count);
    if (!table_inside(plan->needs, plan->needs_count, NEED, size) ||
        !table_inside(plan->tensors, plan->tensors_count, TENSOR, size) ||
        !table_inside(plan->steps, plan->steps_count, STEP, size) ||
        !table_inside(plan->params, plan->params_bytes, 1, size) ||
        !table_inside(plan->names, plan->names_bytes, 1, size))
        return fail(fault, EQ_BAD_PLAN, "a table lies outside the plan", 0, size);
    if (plan->input >= plan->tensors_count || plan->output >= plan->tensors_count)
        return fail(fault, EQ_BAD_PLAN, "the input or output tensor does not exist", 0, plan->input);
    if (plan->arena_bytes > INT32_MAX || plan->tflite_bytes > INT32_MAX)
        return fail(fault, EQ_BAD_PLAN, "the plan is larger than any board", 0, plan->arena_bytes);
    return EQ_OK;
}

eq_status eq_plan_check(eq_plan *plan, const uint8_t *bytes, uint32_t size, eq_fault *fault) {
    plan->bytes = bytes;
    eq_status status = check_header(plan, size, fault);
    if (status == EQ_OK) status = check_needs(plan, fault);
    for (uint32_t i = 0; status == EQ_OK && i < plan->tensors_count; i++)
        status = check_tensor(plan, i, fault);
    if (status == EQ_OK &&
        (eq_plan_tensor(plan, plan->input).constant || eq_plan_tensor(plan, plan->output).constant))
        status = fail(fault, EQ_BAD_PLAN, "the input or output tensor is a constant", 0, plan->input);
    if (status == EQ_OK && eq_plan_tensor(plan, plan->input).int32)
        status = fail(fault, EQ_BAD_PLAN, "the input tensor is int32", 0, plan->input);
    for (uint32_t i = 0; status == EQ_OK && i < plan->steps_count; i++) status = check_step(plan, i, fault);
    return status;
}
