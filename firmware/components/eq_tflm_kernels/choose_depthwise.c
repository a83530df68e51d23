#include "eq_choose.h"

enum { WIDE_BITS = 8, NARROW_BITS = 2 };

/* One direction of a layer: along the planes' lines, or across them. */
typedef struct side {
    int32_t size, stride, dilation, outputs;
} side;

static int32_t parts_of(int32_t total, int32_t size) {
    return (total + size - 1) / size;
}

static int32_t inputs_of(const side *s, int32_t outputs) {
    return (outputs - 1) * s->stride + (s->size - 1) * s->dilation + 1;
}

static side side_of(const eq_conv2d *conv, bool rows) {
    const eq_window *win = &conv->window;
    return rows ? (side){win->height, win->stride_h, win->dilation_h, conv->out.height}
                : (side){win->width, win->stride_w, win->dilation_w, conv->out.width};
}

/* Of a window of any size, for one output channel: edgeq/plan/variants/depthwise_mac16.py. */
static float filtering(const side *line, const side *across, float line_parts, float parts) {
    int32_t phases = 1 + line->stride % 2;
    float rows = (float)across->size, row = 0;
    for (int32_t phase = 0; phase < phases; phase++)
        row += (float)(parts_of(inputs_of(line, 1) + phase, 4) * 4) / (float)phases;
    return (16 + rows * (5 + row)) * (float)across->outputs * (float)line->outputs +
           (float)phases *
               (70 * (float)across->outputs * line_parts + parts * (250 + 8 * rows * (float)line->size));
}

/* edgeq/plan/variants/planes.py and depthwise3x3_mac16.py */
static float modelled(const eq_conv2d *conv, const eq_depthwise_choice *choice) {
    const eq_depthwise_mac16 *p = &choice->as.mac16;
    side line = side_of(conv, p->turned), across = side_of(conv, !p->turned);
    int32_t fit = (EQ_DEPTHWISE_SPAN - inputs_of(&line, 1)) / line.stride + 1;
    int32_t line_outputs = fit < line.outputs ? fit : line.outputs;
    float line_parts = (float)parts_of(line.outputs, line_outputs);
    float parts = line_parts * (float)parts_of(across.outputs, p->lines);
    float filled = (float)inputs_of(&across, p->lines) * (float)inputs_of(&line, line_outputs);
    float apart = parts * ((float)parts_of(p->in.channels, 4) * (150 + 12 * filled) + 12 * filled);
    float channels = (float)p->out.channels;
    if (choice->kernel == EQ_DEPTHWISE_MAC16)
        return apart + channels * filtering(&line, &across, line_parts, parts);
    float outputs = (float)across.outputs * (float)line.outputs;
    return apart + channels * (23 * outputs + 20 * (float)across.outputs * line_parts + 150 * parts);
}

static uint64_t scratch_of(eq_depthwise_choice *choice, int32_t lines) {
    choice->as.mac16.lines = lines;
    return choice->kernel == EQ_DEPTHWISE_3X3 ? eq_depthwise3x3_s8_mac16_scratch(&choice->as.mac16)
                                              : eq_depthwise_s8_mac16_scratch(&choice->as.mac16);
}

/* As many lines at a time as the scratch holds. */
static void choose_lines(const eq_conv2d *conv, eq_depthwise_choice it, const eq_limits *limits,
                         eq_depthwise_choice *best) {
    side line = side_of(conv, it.as.mac16.turned), across = side_of(conv, !it.as.mac16.turned);
    uint64_t one = scratch_of(&it, 1), more = scratch_of(&it, 2) - one;
    if (inputs_of(&line, 1) > EQ_DEPTHWISE_SPAN || one > limits->scratch_bytes) return;
    uint64_t most = (limits->scratch_bytes - one) / more + 1;
    it.scratch_bytes =
        (uint32_t)scratch_of(&it, most < (uint64_t)across.outputs ? (int32_t)most : across.outputs);
    it.instructions = modelled(conv, &it);
    if (it.instructions < best->instructions) *best = it;
}

static eq_depthwise_choice plain(const eq_conv2d *conv) {
    float outputs = (float)conv->out.height * (float)conv->out.width * (float)conv->out.channels;
    float taps = (float)(conv->window.height * conv->window.width);
    return (eq_depthwise_choice){.instructions = outputs * (80 + 19 * taps), .as.plain = *conv};
}

eq_depthwise_choice eq_choose_depthwise(const eq_conv2d *conv, const int8_t *weights, const int32_t *bias,
                                        const eq_limits *limits, eq_scaled_channel *channels) {
    eq_depthwise_choice best = plain(conv);
    if (!limits->mac16) return best;
    const eq_window *win = &conv->window;
    eq_layer layer = {
        .weights = weights,
        .channel_step = 1,
        .product_step = conv->out.channels,
        .bias = bias,
        .multipliers = conv->multipliers,
        .shifts = conv->shifts,
        .channels = conv->out.channels,
        .products = win->height * win->width,
        .in_zero_point = conv->in_zero_point,
        .output = conv->output,
    };
    bool wide = eq_scale_channels(&layer, WIDE_BITS, EQ_START_WIDENED, channels);
    bool narrow = eq_scale_channels(&layer, NARROW_BITS, EQ_START_WIDENED, channels);
    bool is3x3 = win->height == 3 && win->width == 3 && win->dilation_h == 1 && win->dilation_w == 1 &&
                 win->stride_h <= 2 && win->stride_w <= 2;
    for (int32_t turned = 0; turned < 2; turned++) {
        eq_depthwise_choice it = {.as.mac16 = {.in = conv->in,
                                               .out = conv->out,
                                               .window = *win,
                                               .in_zero_point = conv->in_zero_point,
                                               .min = conv->output.min,
                                               .max = conv->output.max,
                                               .turned = turned,
                                               .weight_shift = NARROW_BITS,
                                               .channels = channels}};
        it.kernel = EQ_DEPTHWISE_3X3;
        if (is3x3 && narrow) choose_lines(conv, it, limits, &best);
        it.kernel = EQ_DEPTHWISE_MAC16;
        it.as.mac16.weight_shift = wide ? WIDE_BITS : NARROW_BITS;
        if (wide || narrow) choose_lines(conv, it, limits, &best);
    }
    if (best.kernel != EQ_DEPTHWISE_PLAIN) /* once more, those of the other shift may be there */
        (void)eq_scale_channels(&layer, best.as.mac16.weight_shift, EQ_START_WIDENED, channels);
    return best;
}

void eq_run_depthwise_choice(const eq_depthwise_choice *choice, const int8_t *input, const int8_t *weights,
                             const int32_t *bias, int8_t *output, void *scratch) {
    switch (choice->kernel) {
    case EQ_DEPTHWISE_PLAIN:
        eq_depthwise_conv2d_s8(&choice->as.plain, input, weights, bias, output);
        break;
    case EQ_DEPTHWISE_3X3:
        eq_depthwise3x3_s8_mac16(&choice->as.mac16, input, weights, output, scratch);
        break;
    case EQ_DEPTHWISE_MAC16:
        eq_depthwise_s8_mac16(&choice->as.mac16, input, weights, output, scratch);
        break;
    }
}
