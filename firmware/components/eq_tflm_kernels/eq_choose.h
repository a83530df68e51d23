/* Which kernel runs a layer, for an application without a plan: the planner's rules (edgeq/plan/variants)
 * with fewer ways to cut a layer up. All kernels of a layer give the same bytes; what is exact and what fits
 * is decided from the constant weights, once. No memory is taken and none is kept. */
#ifndef EQ_CHOOSE_H
#define EQ_CHOOSE_H

#include "eq_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eq_limits {
    bool mac16; /* whether the core has it, and with it the kernels in assembly */
    uint32_t scratch_bytes;
} eq_limits;

/* The constants of a layer whose output channels are sums of products. */
typedef struct eq_layer {
    const int8_t *weights;
    int32_t channel_step, product_step; /* bytes of the weights from one to the next */
    const int32_t *bias;                /* [channels] or NULL */
    const int32_t *multipliers, *shifts;
    int32_t channels, products;
    int32_t in_zero_point;
    eq_output output;
} eq_layer;

/* What a sum begins with beside the bias: each kernel takes the input in its own way. */
typedef enum eq_start {
    EQ_START_BIAS,    /* the kernel takes the zero point off (Winograd) */
    EQ_START_WIDENED, /* inputs are widened as x + 128 */
    EQ_START_PAIRS    /* weights are taken in pairs (fully connected) */
} eq_start;

/* docs/kernels.md#scaled-sums: the constants of sums times 2^bits; false if they are not exact. */
bool eq_scale_channels(const eq_layer *layer, int32_t bits, eq_start start, eq_scaled_channel *channels);

typedef enum eq_conv2d_kernel {
    EQ_CONV2D_PLAIN,
    EQ_CONV2D_GATHER,
    EQ_CONV2D_MAC16,
    EQ_CONV2D_WINOGRAD2,
    EQ_CONV2D_WINOGRAD4
} eq_conv2d_kernel;

/* A convolution and its kernel. Of the union counts what the kernel says. */
typedef struct eq_conv2d_choice {
    eq_conv2d_kernel kernel;
    uint32_t scratch_bytes; /* on a 16-byte boundary */
    float instructions;     /* modelled */
    union {
        eq_conv2d plain;
        eq_conv2d_gather gather;
        eq_conv2d_mac16 mac16;
        eq_conv2d_winograd winograd;
    } as;
} eq_conv2d_choice;

/* `channels` holds one for each output channel: filled, and pointed to by the choice, unless that is plain.
 */
eq_conv2d_choice eq_choose_conv2d(const eq_conv2d *conv, const int8_t *weights, const int32_t *bias,
                                  const eq_limits *limits, eq_scaled_channel *channels);
/* Where the channels have moved. */
void eq_set_channels(eq_conv2d_choice *choice, const eq_scaled_channel *channels);
void eq_run_conv2d_choice(const eq_conv2d_choice *choice, const int8_t *input, const int8_t *weights,
                          const int32_t *bias, int8_t *output, void *scratch);
/* The best way to cut up a convolution that Winograd's kernels can do, where it is better than `best`. */
void eq_choose_winograd(const eq_conv2d *conv, const eq_layer *layer, const eq_limits *limits,
                        eq_conv2d_choice *best);

typedef enum eq_depthwise_kernel {
    EQ_DEPTHWISE_PLAIN,
    EQ_DEPTHWISE_3X3,
    EQ_DEPTHWISE_MAC16
} eq_depthwise_kernel;

/* As eq_conv2d_choice. */
typedef struct eq_depthwise_choice {
    eq_depthwise_kernel kernel;
    uint32_t scratch_bytes;
    float instructions;
    union {
        eq_conv2d plain;
        eq_depthwise_mac16 mac16;
    } as;
} eq_depthwise_choice;

/* As eq_choose_conv2d; where the channels move, so does as.mac16.channels. */
eq_depthwise_choice eq_choose_depthwise(const eq_conv2d *conv, const int8_t *weights, const int32_t *bias,
                                        const eq_limits *limits, eq_scaled_channel *channels);
void eq_run_depthwise_choice(const eq_depthwise_choice *choice, const int8_t *input, const int8_t *weights,
                             const int32_t *bias, int8_t *output, void *scratch);

/* The scratch of eq_fully_connected_s8_mac16, with `channels` filled; 0 if the plain kernel has to do. */
uint32_t eq_choose_fully_connected(const eq_layer *layer, const eq_limits *limits,
                                   eq_scaled_channel *channels);

enum { EQ_ADD_TABLES = 2 * 256 };

/* Whether four times the largest sum fits. */
bool eq_can_add_by_table(const eq_add *add);
void eq_make_add_table(const eq_add *add, int32_t elements, int32_t *tables, eq_add_table *table);

#ifdef __cplusplus
}
#endif

#endif
