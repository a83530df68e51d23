#include "eq_choose.h"

enum { WIDE_BITS = 8, NARROW_BITS = 2, WINOGRAD_BITS = 2 };

/* Of docs/kernels.md, in instructions: as the modules of edgeq/plan/variants have them. */
#define WEIGHT(bits) ((bits) == WIDE_BITS ? 2.25f : 3.5f)

static int32_t up_to(int32_t n, int32_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

static eq_conv2d_choice plain(const eq_conv2d *conv) {
    float outputs = (float)conv->out.height * (float)conv->out.width * (float)conv->out.channels;
    float products = (float)(conv->window.height * conv->window.width) * (float)conv->in.channels;
    return (eq_conv2d_choice){
        .kernel = EQ_CONV2D_PLAIN, .instructions = outputs * (90 + 7.5f * products), .as.plain = *conv};
}

/* So many pixels or rows of the output at a time. */
static uint64_t scratch_of(eq_conv2d_choice *choice, int32_t at_a_time) {
    if (choice->kernel == EQ_CONV2D_GATHER) {
        choice->as.gather.pixels = at_a_time;
        return eq_conv2d_s8_gather_scratch(&choice->as.gather);
    }
    choice->as.mac16.rows = at_a_time;
    return eq_conv2d_s8_mac16_scratch(&choice->as.mac16);
}

/* As many of `total` as fit, in groups of like size; returns the groups, 0 if not even one fits. */
static int32_t evenly(eq_conv2d_choice *choice, int32_t total, const eq_limits *limits) {
    int32_t fits = 0, over = total + 1;
    while (over - fits > 1) {
        int32_t middle = fits + (over - fits) / 2;
        if (scratch_of(choice, middle) <= limits->scratch_bytes)
            fits = middle;
        else
            over = middle;
    }
    if (!fits) return 0;
    int32_t groups = (total + fits - 1) / fits;
    choice->scratch_bytes = (uint32_t)scratch_of(choice, (total + groups - 1) / groups);
    return groups;
}

static float widening(const eq_conv2d *conv, int32_t bits, int32_t values) {
    return (float)conv->out.channels * (120 + WEIGHT(bits) * (float)values);
}

static void choose_gather(const eq_conv2d *conv, int32_t bits, const eq_limits *limits,
                          eq_conv2d_choice *best) {
    const eq_window *win = &conv->window;
    eq_conv2d_choice it = {.kernel = EQ_CONV2D_GATHER};
    it.as.gather = (eq_conv2d_gather){.in = conv->in,
                                      .out = conv->out,
                                      .window = *win,
                                      .in_zero_point = conv->in_zero_point,
                                      .min = conv->output.min,
                                      .max = conv->output.max,
                                      .weight_shift = bits};
    int32_t pixels = conv->out.height * conv->out.width;
    int32_t groups = evenly(&it, pixels, limits);
    if (!groups) return;
    int32_t values = up_to(win->height * win->width * conv->in.channels, 4);
    float window; /* to gather one */
    if (conv->in.channels % 4) {
        float line = (float)(conv->out.width * win->stride_w) * (float)conv->in.channels;
        window = 1.3f * (float)values + 50 + 14 * (float)win->height;
        window += 3.6f * (float)win->height * line / (float)conv->out.width;
    } else {
        window = 2.0f * (float)values + (values == conv->in.channels ? 14 : 50 + 14 * (float)win->height);
    }
    it.instructions = (float)pixels * (window + (float)conv->out.channels * (13 + (float)values)) +
                      (float)groups * widening(conv, bits, values);
    if (it.instructions < best->instructions) *best = it;
}

static void choose_mac16(const eq_conv2d *conv, int32_t bits, const eq_limits *limits,
                         eq_conv2d_choice *best) {
    const eq_window *win = &conv->window;
    if (conv->in.channels % 4 || win->dilation_w > 1) return;
    eq_conv2d_choice it = {.kernel = EQ_CONV2D_MAC16};
    it.as.mac16 = (eq_conv2d_mac16){.in = conv->in,
                                    .out = conv->out,
                                    .window = *win,
                                    .in_zero_point = conv->in_zero_point,
                                    .min = conv->output.min,
                                    .max = conv->output.max,
                                    .weight_shift = bits};
    int32_t groups = evenly(&it, conv->out.height, limits);
    if (!groups) return;
    int32_t values = win->height * win->width * conv->in.channels;
    int32_t lines =
        (it.as.mac16.rows - 1) * win->stride_h + (win->height - 1) * win->dilation_h + 1; /* of a group */
    float line = (float)((conv->out.width - 1) * win->stride_w + win->width) * (float)conv->in.channels;
    float rows = (float)conv->out.height * (float)conv->out.channels;
    it.instructions = rows * (60 + (float)conv->out.width * (16 + 5 * (float)win->height + (float)values)) +
                      (float)groups * (widening(conv, bits, values) + (float)lines * (60 + 2 * line));
    if (it.instructions < best->instructions) *best = it;
}

void eq_set_channels(eq_conv2d_choice *choice, const eq_scaled_channel *channels) {
    switch (choice->kernel) {
    case EQ_CONV2D_PLAIN:
        break;
    case EQ_CONV2D_GATHER:
        choice->as.gather.channels = channels;
        break;
    case EQ_CONV2D_MAC16:
        choice->as.mac16.channels = channels;
        break;
    case EQ_CONV2D_WINOGRAD2:
    case EQ_CONV2D_WINOGRAD4:
        choice->as.winograd.channels = channels;
        break;
    }
}

static bool is_winograds(const eq_conv2d *conv, const int8_t *weights) {
    const eq_window *win = &conv->window;
    return win->height == 3 && win->width == 3 && win->stride_h == 1 && win->stride_w == 1 &&
           win->dilation_h == 1 && win->dilation_w == 1 && conv->in.channels % 4 == 0 &&
           (uintptr_t)weights % 4 == 0;
}

eq_conv2d_choice eq_choose_conv2d(const eq_conv2d *conv, const int8_t *weights, const int32_t *bias,
                                  const eq_limits *limits, eq_scaled_channel *channels) {
    eq_conv2d_choice best = plain(conv);
    if (!limits->mac16) return best;
    const eq_window *win = &conv->window;
    eq_layer layer = {
        .weights = weights,
        .channel_step = win->height * win->width * conv->in.channels,
        .product_step = 1,
        .bias = bias,
        .multipliers = conv->multipliers,
        .shifts = conv->shifts,
        .channels = conv->out.channels,
        .products = win->height * win->width * conv->in.channels,
        .in_zero_point = conv->in_zero_point,
        .output = conv->output,
    };
    int32_t bits = eq_scale_channels(&layer, WIDE_BITS, EQ_START_WIDENED, channels)     ? WIDE_BITS
                   : eq_scale_channels(&layer, NARROW_BITS, EQ_START_WIDENED, channels) ? NARROW_BITS
                                                                                        : 0;
    if (bits) {
        choose_gather(conv, bits, limits, &best);
        choose_mac16(conv, bits, limits, &best);
    }
    if (is_winograds(conv, weights) && eq_scale_channels(&layer, WINOGRAD_BITS, EQ_START_BIAS, channels))
        eq_choose_winograd(conv, &layer, limits, &best);
    if (best.kernel == EQ_CONV2D_GATHER ||
        best.kernel == EQ_CONV2D_MAC16) /* once more, they are others now */
        (void)eq_scale_channels(&layer, bits, EQ_START_WIDENED, channels);
    eq_set_channels(&best, channels);
    return best;
}

void eq_run_conv2d_choice(const eq_conv2d_choice *choice, const int8_t *input, const int8_t *weights,
                          const int32_t *bias, int8_t *output, void *scratch) {
    switch (choice->kernel) {
    case EQ_CONV2D_PLAIN:
        eq_conv2d_s8(&choice->as.plain, input, weights, bias, output);
        break;
    case EQ_CONV2D_GATHER:
        eq_conv2d_s8_gather(&choice->as.gather, input, weights, output, scratch);
        break;
    case EQ_CONV2D_MAC16:
        eq_conv2d_s8_mac16(&choice->as.mac16, input, weights, output, scratch);
        break;
    case EQ_CONV2D_WINOGRAD2:
        eq_conv2d_s8_winograd2(&choice->as.winograd, input, weights, output, scratch);
        break;
    case EQ_CONV2D_WINOGRAD4:
        eq_conv2d_s8_winograd4(&choice->as.winograd, input, weights, output, scratch);
        break;
    }
}
