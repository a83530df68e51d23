/* One kind of step: how its parameters are read and checked, and how its kernel is called. */
#ifndef EQ_STEP_H
#define EQ_STEP_H

#include <stddef.h>

#include "eq_engine.h"
#include "eq_kernels.h"

enum { EQ_NONE = 0xFFFFFFFFu };
enum { EQ_WINDOW_MAX = 1024 }; /* of a window's size, stride, dilation and padding */

/* Bytes of the .tflite that a step reads in place; none if bytes is 0. */
typedef struct eq_range {
    uint32_t offset, bytes;
} eq_range;

typedef struct eq_call {
    const int32_t *params;
    uint32_t params_count;
    eq_tensor in[2], out; /* in[1] is zero where a step has one input */
    bool has_second;

    uint32_t scratch_bytes; /* what the plan sets aside */

    eq_range weights, bias; /* set by check */

    const int8_t *x[2];
    int8_t *y;
    const int8_t *weights_data;
    const int32_t *bias_data;
    uint8_t *scratch; /* on a 16-byte boundary */
} eq_call;

typedef struct eq_step_kind {
    const char *name;
    uint16_t id, version;
    bool in_place; /* the output may be exactly one of the inputs */
    bool int32;    /* the output is int32; what a step reads is int8 */
    /* NULL if the parameters fit the tensors, else what is wrong. Sets the ranges. Run only follows a good
     * check. */
    const char *(*check)(eq_call *call);
    void (*run)(const eq_call *call);
} eq_step_kind;

/* The checks and calls of each kernel, named after it. */
#define EQ_KERNEL(id, name, version)                                                                         \
    const char *eq_check_##name(eq_call *call);                                                              \
    void eq_run_##name(const eq_call *call);
#include "kernels.inc"
#undef EQ_KERNEL

/* The row of that id, NULL if this firmware has none. */
const eq_step_kind *eq_step_kind_find(uint32_t id);

/* Field checks that several kinds share. */
bool eq_is_int8(int32_t value);
bool eq_is_factor(int32_t multiplier, int32_t shift);
bool eq_is_between(int32_t value, int32_t low, int32_t high);
bool eq_are_factors(const int32_t *multipliers, const int32_t *shifts, uint32_t count);
/* {zero point, low, high} */
bool eq_is_output(const int32_t *fields);
/* {low, high} */
bool eq_is_clamp(const int32_t *fields);
eq_output eq_output_of(const int32_t *fields);
enum { EQ_SCALED_FIELDS = sizeof(eq_scaled_channel) / sizeof(int32_t) };
/* {start, multiplier, addend, addend of a negative, shift} of each channel. */
bool eq_are_scaled_channels(const int32_t *fields, uint32_t count);
const eq_scaled_channel *eq_scaled_channels_of(const int32_t *fields);
/* {height, width, stride h, w, dilation h, w, padding top, left} */
enum { EQ_WINDOW_FIELDS = 8 };
eq_window eq_window_of(const int32_t *fields);
/* Whether every field is within EQ_WINDOW_MAX, and no window of the output ends further behind the input. */
bool eq_is_window(const eq_window *window, const eq_tensor *in, const eq_tensor *out);
eq_shape eq_shape_of(const eq_tensor *tensor);
bool eq_same_shape(const eq_tensor *a, const eq_tensor *b);
/* Whether there are two inputs whose every dimension is the output's, or 1 and broadcast. */
bool eq_are_operands(const eq_call *call);
eq_operands eq_operands_of(const eq_call *call);
/* Fills the ranges from {weights' offset, bias' offset}; false if an offset is out of place. */
bool eq_set_ranges(eq_call *call, const int32_t *offsets, uint64_t weights_bytes, uint32_t channels);

#endif
