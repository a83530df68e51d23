#include "eq_choose.h"

enum {
    PARTS_MOST = 8,       /* that input channels are tried in */
    EXACT_CHANNELS = 112, /* 9 * 128 * 255 * 112 < 2^25 */
    SUM_MOST = 1 << 25    /* of a chunk, with tiles of 4x4 */
};

/* One size of tiles: what edgeq/plan/variants/conv2d_winograd.py has counted. */
typedef struct method {
    eq_conv2d_kernel kernel;
    int32_t side;
    float weights, value, sums, sums_added;
    uint64_t (*scratch)(const eq_conv2d_winograd *p);
} method;

static const method METHODS[2] = {
    {EQ_CONV2D_WINOGRAD2, 2, 51, 116, 129, 137, eq_conv2d_s8_winograd2_scratch},
    {EQ_CONV2D_WINOGRAD4, 4, 86, 274, 381, 413, eq_conv2d_s8_winograd4_scratch},
};

static int32_t parts_of(int32_t total, int32_t size) {
    return (total + size - 1) / size;
}

static float modelled(const method *how, const eq_conv2d_winograd *p) {
    int32_t side = how->side, down = parts_of(p->out.height, side), across = parts_of(p->out.width, side);
    float tiles = (float)(down * across), inputs = (float)p->in.channels, outputs = (float)p->out.channels;
    float positions = (float)((side + 2) * (side + 2));
    int32_t groups = parts_of(down * across, p->tiles), chunks = parts_of(p->in.channels, p->depth);
    float blocked = chunks == 1 ? 1 : (float)parts_of(p->out.channels, p->block);
    int32_t whole_rows = p->out.height / side - 1, whole_columns = p->out.width / side - 1;
    float inside = (float)(whole_rows > 0 && whole_columns > 0 ? whole_rows * whole_columns : 0);
    float value = how->value + positions * (1 - inside / tiles); /* the others are copied first */
    float sums = how->sums + (float)(chunks - 1) * how->sums_added;
    return tiles * (outputs + blocked) * (positions * inputs + sums) +
           (float)groups * outputs * inputs * how->weights + tiles * inputs * blocked * value +
           (float)(groups * chunks) * (outputs + blocked) * 160 +
           outputs * ((float)(p->out.height * p->out.width) * 11 + tiles * 36);
}

/* Whether all sums over `depth` input channels stay below the limit of tiles of 4x4. */
static bool sums_fit(const eq_conv2d *conv, const eq_layer *layer, int32_t depth) {
    if (depth <= EXACT_CHANNELS) return true;
    int32_t inputs = conv->in.channels, least = 128 + conv->in_zero_point, most = 127 - conv->in_zero_point;
    for (int32_t c = 0; c < layer->channels; c++) {
        for (int32_t first = 0; first < inputs; first += depth) {
            int64_t up = 0, down = 0;
            for (int32_t tap = 0; tap < 9; tap++) {
                const int8_t *w = layer->weights + ((int64_t)c * 9 + tap) * inputs;
                for (int32_t i = first; i < inputs && i < first + depth; i++) {
                    if (w[i] > 0)
                        up += w[i];
                    else
                        down -= w[i];
                }
            }
            if (up * most + down * least >= SUM_MOST || up * least + down * most >= SUM_MOST) return false;
        }
    }
    return true;
}

/* Blocks as large as the scratch allows; false if not even one channel fits. */
static bool set_block(const method *how, eq_conv2d_winograd *p, const eq_limits *limits) {
    p->block = 1;
    uint64_t one = how->scratch(p);
    if (one > limits->scratch_bytes) return false;
    if (p->depth >= p->in.channels) return true; /* one chunk needs no sums but of one channel */
    p->block = 2;
    uint64_t most = (limits->scratch_bytes - one) / (how->scratch(p) - one) + 1;
    int32_t block = most < (uint64_t)p->out.channels ? (int32_t)most : p->out.channels;
    p->block = parts_of(p->out.channels, parts_of(p->out.channels, block));
    return true;
}

static void choose_tiles(const method *how, int32_t depth, const eq_conv2d *conv, const eq_layer *layer,
                         const eq_limits *limits, eq_conv2d_choice *best) {
    eq_conv2d_winograd p = {.in = conv->in,
                            .out = conv->out,
                            .pad_top = conv->window.pad_top,
                            .pad_left = conv->window.pad_left,
                            .in_zero_point = conv->in_zero_point,
                            .min = conv->output.min,
                            .max = conv->output.max,
                            .depth = depth};
    int32_t all = parts_of(conv->out.height, how->side) * parts_of(conv->out.width, how->side);
    bool exact = how->side == 2; /* else it is looked at where it matters */
    for (int32_t groups = 1; groups <= all; groups++) {
        if (groups > 1 && p.tiles == parts_of(all, groups)) continue;
        p.tiles = parts_of(all, groups);
        if (!set_block(how, &p, limits)) continue;
        float instructions = modelled(how, &p);
        if (instructions >= best->instructions) continue;
        if (!exact && !sums_fit(conv, layer, depth)) return;
        exact = true;
        *best = (eq_conv2d_choice){.kernel = how->kernel,
                                   .scratch_bytes = (uint32_t)how->scratch(&p),
                                   .instructions = instructions,
                                   .as.winograd = p};
    }
}

void eq_choose_winograd(const eq_conv2d *conv, const eq_layer *layer, const eq_limits *limits,
                        eq_conv2d_choice *best) {
    for (int32_t i = 0; i < 2; i++)
        for (int32_t parts = 1; parts <= PARTS_MOST && 4 * (parts - 1) < conv->in.channels; parts++)
            choose_tiles(&METHODS[i], (parts_of(conv->in.channels, parts) + 3) / 4 * 4, conv, layer, limits,
                         best);
}
