/* int8 kernels in plain C: functions of their arguments, no malloc, no globals. Arguments are params, inputs,
 * outputs, scratch. Activations are NHWC with N = 1, weights OHWI. The rules are in docs/numerics.md.
 *
 * Integers wrap where TFLite's would overflow, so that no input is undefined behaviour. */
#ifndef EQ_KERNELS_H
#define EQ_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eq_shape {
    int32_t height, width, channels;
} eq_shape;

/* An output's zero point and the range it is clamped to. */
typedef struct eq_output {
    int32_t zero_point, min, max;
} eq_output;

/* One factor: multiplier * 2^(shift - 31), multiplier >= 0, shift in [-31, 30]. */
typedef struct eq_factor {
    int32_t multiplier, shift;
} eq_factor;

typedef struct eq_window {
    int32_t height, width, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
} eq_window;

typedef struct eq_conv2d {
    eq_shape in, out;
    eq_window window;
    int32_t in_zero_point;
    eq_output output;
    const int32_t *multipliers, *shifts; /* one each per output channel */
} eq_conv2d;

/* weights[out.channels][window.height][window.width][in.channels]; bias[out.channels] or NULL. */
void eq_conv2d_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const int32_t *bias,
                  int8_t *output);

/* An output channel whose sums are scaled by 2^k: start is the bias and the share of the input's zero point,
 * and y = (high + (high < 0 ? down : up)) >> shift, clamped, where high is the upper half of the 64-bit
 * product of sum and multiplier. docs/kernels.md#scaled-sums */
typedef struct eq_scaled_channel {
    int32_t start, multiplier, up, down, shift;
} eq_scaled_channel;

typedef struct eq_conv2d_gather {
    eq_shape in, out;
    eq_window window;
    int32_t in_zero_point, min, max;
    int32_t pixels;       /* of the output at a time */
    int32_t weight_shift; /* 2 or 8: weights are widened times 2^weight_shift */
    const eq_scaled_channel *channels;
} eq_conv2d_gather;

typedef struct eq_conv2d_mac16 {
    eq_shape in, out; /* input channels: a multiple of four */
    eq_window window; /* dilation sideways: 1 */
    int32_t in_zero_point, min, max;
    int32_t rows;         /* of the output at a time */
    int32_t weight_shift; /* 2 or 8 */
    const eq_scaled_channel *channels;
} eq_conv2d_mac16;

/* conv2d_s8's bytes by rows of the input as int16 in scratch. The input is on a 4-byte boundary. */
uint64_t eq_conv2d_s8_mac16_scratch(const eq_conv2d_mac16 *p);
void eq_conv2d_s8_mac16(const eq_conv2d_mac16 *p, const int8_t *input, const int8_t *weights, int8_t *output,
                        void *scratch);

/* conv2d_s8's bytes by windows gathered in scratch as int16. The input is on a 4-byte boundary. */
uint64_t eq_conv2d_s8_gather_scratch(const eq_conv2d_gather *p);
void eq_conv2d_s8_gather(const eq_conv2d_gather *p, const int8_t *input, const int8_t *weights,
                         int8_t *output, void *scratch);

/* A 3x3 window of stride and dilation 1; input channels are a multiple of four. Done at once are `tiles` of
 * the output, `depth` input channels (a multiple of four) and `block` output channels. */
typedef struct eq_conv2d_winograd {
    eq_shape in, out;
    int32_t pad_top, pad_left, in_zero_point, min, max;
    int32_t tiles, depth, block;
    const eq_scaled_channel *channels; /* of sums times four */
} eq_conv2d_winograd;

/* conv2d_s8's bytes by Winograd's transforms, 2x2 or 4x4 outputs a tile. Input and weights are on 4-byte
 * boundaries. With 4x4 outputs a sum over any `depth` input channels stays below 2^25 in size. */
uint64_t eq_conv2d_s8_winograd2_scratch(const eq_conv2d_winograd *p);
void eq_conv2d_s8_winograd2(const eq_conv2d_winograd *p, const int8_t *input, const int8_t *weights,
                            int8_t *output, void *scratch);
uint64_t eq_conv2d_s8_winograd4_scratch(const eq_conv2d_winograd *p);
void eq_conv2d_s8_winograd4(const eq_conv2d_winograd *p, const int8_t *input, const int8_t *weights,
                            int8_t *output, void *scratch);

/* weights[window.height][window.width][out.channels]; output channel c * multiplier + m reads input channel
 * c, where multiplier is out.channels / in.channels. */
void eq_depthwise_conv2d_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights,
                            const int32_t *bias, int8_t *output);

/* The same bytes for windows of 3x3, not dilated, with strides of 1 or 2. */
void eq_depthwise3x3_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const int32_t *bias,
                        int8_t *output);

/* Depthwise by int16 planes in scratch, for cores with MAC16. */
typedef struct eq_depthwise_mac16 {
    eq_shape in, out;
    eq_window window;
    int32_t in_zero_point, min, max;
    int32_t lines; /* of the output at a time: its rows or, turned, its columns */
    bool turned;
    int32_t weight_shift; /* 2 or 8: weights are widened times 2^weight_shift */
    const eq_scaled_channel *channels;
} eq_depthwise_mac16;

/* depthwise_conv2d_s8's bytes for windows of 3x3 with a stride of 1 or 2 and no dilation; the weights' shift
 * is 2, and a channel's `down` is `up`, or less by 2. */
uint64_t eq_depthwise3x3_s8_mac16_scratch(const eq_depthwise_mac16 *p);
void eq_depthwise3x3_s8_mac16(const eq_depthwise_mac16 *p, const int8_t *input, const int8_t *weights,
                              int8_t *output, void *scratch);

/* The same for windows that reach along a line over EQ_DEPTHWISE_SPAN inputs at most. */
enum { EQ_DEPTHWISE_SPAN = 59 };
uint64_t eq_depthwise_s8_mac16_scratch(const eq_depthwise_mac16 *p);
void eq_depthwise_s8_mac16(const eq_depthwise_mac16 *p, const int8_t *input, const int8_t *weights,
                           int8_t *output, void *scratch);

/* Output channels in `groups` parts, each of which reads its own part of the input channels:
 * weights[out.channels][window.height][window.width][in.channels / groups]. */
void eq_grouped_conv2d_s8(const eq_conv2d *p, int32_t groups, const int8_t *input, const int8_t *weights,
                          const int32_t *bias, int8_t *output);

/* The window moves over the output: each input pixel adds to the outputs below it. Weights as eq_conv2d_s8's;
 * the padding is what is left out in front of the output, the dilation is 1. */
void eq_transpose_conv_s8(const eq_conv2d *p, const int8_t *input, const int8_t *weights, const int32_t *bias,
                          int8_t *output);

typedef struct eq_fully_connected {
    int32_t rows, inputs, outputs;
    int32_t in_zero_point;
    eq_output output;
    const int32_t *multipliers, *shifts; /* one each per output */
} eq_fully_connected;

/* input[rows][inputs], output[rows][outputs]; weights[outputs][inputs]; bias[outputs] or NULL. */
void eq_fully_connected_s8(const eq_fully_connected *p, const int8_t *input, const int8_t *weights,
                           const int32_t *bias, int8_t *output);

typedef struct eq_fully_connected_mac16 {
    int32_t rows, inputs, outputs; /* inputs: a multiple of four */
    int32_t min, max;
    const eq_scaled_channel *channels;
} eq_fully_connected_mac16;

/* eq_fully_connected_s8's bytes. The weights are on a 4-byte boundary; scratch holds 2 * inputs + 8 bytes. */
void eq_fully_connected_s8_mac16(const eq_fully_connected_mac16 *p, const int8_t *input,
                                 const int8_t *weights, int8_t *output, void *scratch);

/* Two operands of one output: each of its dimensions is theirs, or theirs is 1 and broadcast. */
typedef struct eq_operands {
    eq_shape a, b, out;
} eq_operands;

typedef struct eq_add {
    eq_operands operands;
    int32_t a_zero_point, b_zero_point;
    int32_t left_shift;
    eq_factor a, b, sum;
    eq_output output;
} eq_add;

/* a + b and a - b. Here and below the output may be either operand. */
void eq_add_s8(const eq_add *p, const int8_t *a, const int8_t *b, int8_t *output);
void eq_sub_s8(const eq_add *p, const int8_t *a, const int8_t *b, int8_t *output);

/* What each operand's 256 values add to four times the sum, by the value's byte. An output is
 * (h + offset [+ 2 * (h < -1 ? -1 : 0)]) >> shift, clamped, where h is the upper half of the 64-bit product
 * of sum and multiplier, and the term in brackets counts where `sign` is set (kernels.md#requantisation). The
 * field offsets are known to add_row_table_lx6.S. */
typedef struct eq_add_table {
    int32_t elements; /* at least 1 */
    int32_t multiplier, offset, shift, sign, min, max;
    const int32_t *a, *b;
} eq_add_table;

/* a + b, or a - b by the second table; operands of the output's shape. */
void eq_add_s8_table(const eq_add_table *p, const int8_t *a, const int8_t *b, int8_t *output);
void eq_add_row_table(const eq_add_table *p, const int8_t *a, const int8_t *b, int8_t *output, int32_t n);
void eq_add_row_table_lx6(const eq_add_table *p, const int8_t *a, const int8_t *b, int8_t *output, int32_t n);

typedef struct eq_mul {
    eq_operands operands;
    int32_t a_zero_point, b_zero_point;
    eq_factor factor;
    eq_output output;
} eq_mul;

void eq_mul_s8(const eq_mul *p, const int8_t *a, const int8_t *b, int8_t *output);

/* The field offsets are known to mul_row_s8_lx6.S. */
typedef struct eq_mul_scaled {
    int32_t a_zero_point, b_zero_point, min, max;
    eq_scaled_channel tail; /* of products times 256; its start is not used */
    eq_operands operands;
} eq_mul_scaled;

/* The same bytes by one half of a product. */
void eq_mul_s8_scaled(const eq_mul_scaled *p, const int8_t *a, const int8_t *b, int8_t *output);
/* Bits 0 and 1 of `steps`: whether a and b move from element to element. n is at least 1. */
void eq_mul_row_s8(const eq_mul_scaled *p, const int8_t *a, const int8_t *b, int8_t *output, int32_t n,
                   int32_t steps);
void eq_mul_row_s8_lx6(const eq_mul_scaled *p, const int8_t *a, const int8_t *b, int8_t *output, int32_t n,
                       int32_t steps);

void eq_maximum_s8(const eq_operands *p, const int8_t *a, const int8_t *b, int8_t *output);
void eq_minimum_s8(const eq_operands *p, const int8_t *a, const int8_t *b, int8_t *output);

typedef struct eq_prelu {
    eq_operands operands;
    int32_t in_zero_point, slopes_zero_point, out_zero_point;
    eq_factor identity, sloped; /* of an input from zero up; of one below times its slope */
} eq_prelu;

void eq_prelu_s8(const eq_prelu *p, const int8_t *input, const int8_t *slopes, int8_t *output);

typedef struct eq_batch_matmul {
    eq_operands
        operands; /* height: matrices, width: rows, channels: columns; an operand's one matrix serves all */
    bool a_transposed, b_transposed;
    int32_t a_zero_point, b_zero_point, out_zero_point;
    eq_factor factor;
} eq_batch_matmul;

void eq_batch_matmul_s8(const eq_batch_matmul *p, const int8_t *a, const int8_t *b, int8_t *output);

typedef struct eq_lut {
    int32_t elements;
    const int8_t *table; /* [256]: the outputs of -128 to 127 */
} eq_lut;

void eq_lut_s8(const eq_lut *p, const int8_t *input, int8_t *output);
/* `middle` is the output of 0. */
void eq_lut_row_s8(const int8_t *middle, const int8_t *input, int8_t *output, int32_t n);
void eq_lut_row_s8_lx6(const int8_t *middle, const int8_t *input, int8_t *output, int32_t n);

typedef struct eq_pool2d {
    eq_shape in, out;
    eq_window window;
    int32_t min, max;
} eq_pool2d;

void eq_max_pool2d_s8(const eq_pool2d *p, const int8_t *input, int8_t *output);
/* The same without a clamp, for channels that are a multiple of 4 and an input on a 4-byte boundary. */
void eq_max_pool2d_s8_words(const eq_pool2d *p, const int8_t *input, int8_t *output);
void eq_average_pool2d_s8(const eq_pool2d *p, const int8_t *input, int8_t *output);
/* The same for channels that are a multiple of 4 and an input on a 4-byte boundary. */
uint64_t eq_average_pool2d_s8_words_scratch(const eq_pool2d *p);
void eq_average_pool2d_s8_words(const eq_pool2d *p, const int8_t *input, int8_t *output, void *scratch);

typedef struct eq_mean {
    eq_shape in;
    eq_shape window; /* of each side either all of it or 1: what one output sums up */
    int32_t in_zero_point, out_zero_point;
    eq_factor factor; /* of a mean with the division by its count in it */
} eq_mean;

/* The axes that are not summed up keep their order. */
void eq_mean_s8(const eq_mean *p, const int8_t *input, int8_t *output);

typedef struct eq_mean_words {
    eq_shape in, window;    /* as in eq_mean; channels: a multiple of four */
    int32_t scale_bits;     /* 2 or 8: sums are scaled by 2^scale_bits */
    eq_scaled_channel tail; /* its start is of sums that are not scaled yet, of values plus 128 */
} eq_mean_words;

/* The same bytes. The input is on a 4-byte boundary. */
uint64_t eq_mean_s8_words_scratch(const eq_mean_words *p);
void eq_mean_s8_words(const eq_mean_words *p, const int8_t *input, int8_t *output, void *scratch);

typedef struct eq_pad {
    eq_shape in, out;
    int32_t top, left, front; /* rows, columns and channels before the input's first */
    int8_t value;
} eq_pad;

void eq_pad_s8(const eq_pad *p, const int8_t *input, int8_t *output);

enum { EQ_COPY_LOOPS = 4 };

/* count turns; read and write are the elements between two of them in the input and in the output. */
typedef struct eq_copy_loop {
    int32_t count, read, write;
} eq_copy_loop;

typedef struct eq_copy {
    int32_t first_read, first_written;
    eq_copy_loop loops[EQ_COPY_LOOPS]; /* the last is the innermost */
} eq_copy;

/* A part of the input to a part of the output, element by element; the rest of the output stays as it is. */
void eq_copy_s8(const eq_copy *p, const int8_t *input, int8_t *output);

typedef struct eq_take {
    eq_shape in, out;
    const int32_t *rows, *columns; /* of the input, one for each row and column of the output */
    const int32_t *channels;       /* likewise; NULL: all of them as they are */
} eq_take;

void eq_take_s8(const eq_take *p, const int8_t *input, int8_t *output);

/* An output row's or column's place between two of the input: distance in 1/1024 from the one in front. */
typedef struct eq_neighbours {
    int32_t front, behind, distance;
} eq_neighbours;

typedef struct eq_resize {
    eq_shape in, out;
    const eq_neighbours *rows, *columns; /* one for each row and column of the output */
} eq_resize;

void eq_resize_bilinear_s8(const eq_resize *p, const int8_t *input, int8_t *output);

typedef struct eq_softmax {
    int32_t rows, columns;
    const int32_t *exponentials; /* [256]: of the distance below the row's maximum, in Q0 */
} eq_softmax;

/* Along each row of columns. */
void eq_softmax_s8(const eq_softmax *p, const int8_t *input, int8_t *output);

typedef struct eq_arg_max {
    int32_t outer, size, inner; /* elements in front of the axis, along it, behind it */
} eq_arg_max;

/* Where along the axis the largest value is; of equals the first. */
void eq_arg_max_s8(const eq_arg_max *p, const int8_t *input, int32_t *output);

#ifdef __cplusplus
}
#endif

#endif
