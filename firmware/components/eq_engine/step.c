#include "step.h"

enum {
#define EQ_KERNEL(id, name, version) ID_##name = id,
#include "kernels.inc"
#undef EQ_KERNEL
};

/* Kernels that read an element of an input before they write the same element of the output. */
#define IN_PLACE(id)                                                                                         \
    (id == ID_add_s8 || id == ID_add_s8_table || id == ID_lut_s8 || id == ID_maximum_s8 ||                   \
     id == ID_minimum_s8 || id == ID_mul_s8 || id == ID_mul_s8_scaled || id == ID_prelu_s8 ||                \
     id == ID_sub_s8)

/* Kernels whose output is int32. */
#define INT32(id) (id == ID_arg_max_s8)

static const eq_step_kind KINDS[] = {
#define EQ_KERNEL(id, name, version)                                                                         \
    {#name, id, version, IN_PLACE(id), INT32(id), eq_check_##name, eq_run_##name},
#include "kernels.inc"
#undef EQ_KERNEL
};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

const eq_step_kind *eq_step_kind_find(uint32_t id) {
    for (uint32_t i = 0; i < KIND_COUNT; i++)
        if (KINDS[i].id == id) return &KINDS[i];
    return NULL;
}

bool eq_engine_kernel(uint32_t index, const char **name, uint32_t *id, uint32_t *version) {
    if (index >= KIND_COUNT) return false;
    *name = KINDS[index].name;
    *id = KINDS[index].id;
    *version = KINDS[index].version;
    return true;
}

bool eq_is_between(int32_t value, int32_t low, int32_t high) {
    return value >= low && value <= high;
}

bool eq_is_int8(int32_t value) {
    return eq_is_between(value, INT8_MIN, INT8_MAX);
}

bool eq_is_factor(int32_t multiplier, int32_t shift) {
    return multiplier >= 0 && eq_is_between(shift, -31, 30);
}

bool eq_are_factors(const int32_t *multipliers, const int32_t *shifts, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!eq_is_factor(multipliers[i], shifts[i])) return false;
    return true;
}

bool eq_is_output(const int32_t *fields) {
    return eq_is_int8(fields[0]) && eq_is_clamp(fields + 1);
}

bool eq_is_clamp(const int32_t *fields) {
    return eq_is_int8(fields[0]) && eq_is_int8(fields[1]) && fields[0] <= fields[1];
}

eq_window eq_window_of(const int32_t *fields) {
    return (eq_window){fields[0], fields[1], fields[2], fields[3],
                       fields[4], fields[5], fields[6], fields[7]};
}

static bool side_fits(int32_t in, int32_t out, int32_t size, int32_t stride, int32_t dilation, int32_t pad) {
    return eq_is_between(size, 1, EQ_WINDOW_MAX) && eq_is_between(stride, 1, EQ_WINDOW_MAX) &&
           eq_is_between(dilation, 1, EQ_WINDOW_MAX) && eq_is_between(pad, 0, EQ_WINDOW_MAX) &&
           (out - 1) * stride + (size - 1) * dilation + 1 - pad - in <= EQ_WINDOW_MAX;
}

bool eq_is_window(const eq_window *w, const eq_tensor *in, const eq_tensor *out) {
    return side_fits(in->dims[1], out->dims[1], w->height, w->stride_h, w->dilation_h, w->pad_top) &&
           side_fits(in->dims[2], out->dims[2], w->width, w->stride_w, w->dilation_w, w->pad_left);
}

eq_output eq_output_of(const int32_t *fields) {
    return (eq_output){fields[0], fields[1], fields[2]};
}

const eq_scaled_channel *eq_scaled_channels_of(const int32_t *fields) {
    return (const eq_scaled_channel *)(const void *)fields;
}

bool eq_are_scaled_channels(const int32_t *fields, uint32_t count) {
    const eq_scaled_channel *channels = eq_scaled_channels_of(fields);
    for (uint32_t i = 0; i < count; i++)
        if (channels[i].multiplier < 0 || !eq_is_between(channels[i].shift, 1, 31)) return false;
    return true;
}

eq_shape eq_shape_of(const eq_tensor *tensor) {
    return (eq_shape){tensor->dims[1], tensor->dims[2], tensor->dims[3]};
}

bool eq_same_shape(const eq_tensor *a, const eq_tensor *b) {
    return a->dims[1] == b->dims[1] && a->dims[2] == b->dims[2] && a->dims[3] == b->dims[3];
}

static bool broadcasts(const eq_tensor *in, const eq_tensor *out) {
    for (unsigned i = 1; i < 4; i++)
        if (in->dims[i] != out->dims[i] && in->dims[i] != 1) return false;
    return true;
}

bool eq_are_operands(const eq_call *call) {
    return call->has_second && broadcasts(&call->in[0], &call->out) && broadcasts(&call->in[1], &call->out);
}

eq_operands eq_operands_of(const eq_call *call) {
    return (eq_operands){eq_shape_of(&call->in[0]), eq_shape_of(&call->in[1]), eq_shape_of(&call->out)};
}

bool eq_set_ranges(eq_call *call, const int32_t *offsets, uint64_t weights_bytes, uint32_t channels) {
    if (offsets[0] < 0 || offsets[1] < -1 || weights_bytes > INT32_MAX) return false;
    call->weights = (eq_range){(uint32_t)offsets[0], (uint32_t)weights_bytes};
    call->bias = (eq_range){0, 0};
    if (offsets[1] >= 0) call->bias = (eq_range){(uint32_t)offsets[1], channels * 4};
    return call->bias.offset % 4 == 0;
}
