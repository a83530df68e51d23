/* conv2d_s8 with a 3x3 window by Winograd's minimal filtering, in int16 and for cores that multiply int16
 * fast; the bytes are those of conv2d_s8. Tiles of the output are done in groups, input channels in chunks,
 * output channels in blocks: what is transformed is in the scratch, and so are the sums of a block over the
 * chunks. */
#include <stdbool.h>
#include <string.h>

#include "eq_kernels.h"
#include "winograd.h"

enum {
    PATCH_CHANNELS = 16, /* of a patch that is copied: one that reaches beyond the input */
    AROUND = 2           /* halfwords: one in front of the input's tiles, and one behind them */
};

/* One of the two sizes of tiles. */
typedef struct method {
    int32_t side;      /* of a tile's outputs */
    int32_t sum_shift; /* from its sums to sums times 4 */
    void (*weights)(const int8_t *taps, int32_t stride, int32_t channels, int16_t *to);
    void (*input)(const eq_winograd_patch *p);
    void (*tiles)(const eq_winograd_tiles *p);
} method;

#if defined(EQ_MAC16)
static const method F2 = {2, 0, eq_winograd2_weights_lx6, eq_winograd2_input_lx6, eq_winograd2_tiles_lx6};
static const method F4 = {4, 4, eq_winograd4_weights_lx6, eq_winograd4_input_lx6, eq_winograd4_tiles_lx6};
#define OUTPUTS eq_winograd_outputs_s8_lx6
#else
static const method F2 = {2, 0, eq_winograd2_weights, eq_winograd2_input, eq_winograd2_tiles};
static const method F4 = {4, 4, eq_winograd4_weights, eq_winograd4_input, eq_winograd4_tiles};
#define OUTPUTS eq_winograd_outputs_s8
#endif

/* What stands in the scratch, in its order. */
typedef struct work {
    const eq_conv2d_winograd *conv;
    const method *how;
    const int8_t *input, *weights;
    int16_t *x, *w;
    int32_t *sums, *corrections;
    eq_winograd_place *places;
    int8_t *patch;
} work;

static int32_t positions(int32_t side) {
    return (side + 2) * (side + 2);
}

static int32_t patch_bytes(int32_t side, int32_t depth) {
    int32_t copied = positions(side) * PATCH_CHANNELS;
    return copied > depth ? copied : depth;
}

static uint64_t scratch_of(int32_t side, const eq_conv2d_winograd *p) {
    uint64_t tile = (uint64_t)positions(side) * (uint32_t)p->depth * 2, outputs = (uint64_t)(side * side) * 4;
    uint64_t of_tiles = tile + outputs * ((uint64_t)(uint32_t)p->block + 1) + sizeof(eq_winograd_place);
    return tile + (uint64_t)(uint32_t)p->tiles * of_tiles + 2 * AROUND +
           (uint32_t)patch_bytes(side, p->depth);
}

static void lay_out(work *k, const eq_conv2d_winograd *p, void *scratch) {
    int32_t side = k->how->side, tile = positions(side) * p->depth, outputs = side * side;
    k->x = (int16_t *)scratch + 1;
    k->w = k->x + p->tiles * tile + 1;
    k->sums = (int32_t *)(void *)(k->w + tile);
    k->corrections = k->sums + p->block * p->tiles * outputs;
    k->places = (eq_winograd_place *)(void *)(k->corrections + p->tiles * outputs);
    k->patch = (int8_t *)(void *)(k->places + p->tiles);
}

static int32_t least(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static int32_t columns_of(const work *k) {
    return (k->conv->out.width + k->how->side - 1) / k->how->side;
}

static void find_places(const work *k, int32_t first, int32_t count) {
    const eq_shape *out = &k->conv->out;
    int32_t side = k->how->side;
    for (int32_t t = 0; t < count; t++) {
        int32_t y = (first + t) / columns_of(k) * side, x = (first + t) % columns_of(k) * side;
        k->places[t] = (eq_winograd_place){(y * out->width + x) * out->channels, least(side, out->height - y),
                                           least(side, out->width - x)};
    }
}

/* Words: channels are a multiple of 4, and so lies what is copied. */
static void copy_words(const int8_t *from, int32_t bytes, int8_t *to) {
    for (int32_t i = 0; i < bytes; i += 4)
        memcpy(__builtin_assume_aligned(to + i, 4), __builtin_assume_aligned(from + i, 4), 4);
}

static void fill_words(int32_t word, int32_t bytes, int8_t *to) {
    for (int32_t i = 0; i < bytes; i += 4) memcpy(__builtin_assume_aligned(to + i, 4), &word, 4);
}

/* The patch that starts at (top, left), the part of it beyond the input filled with the zero point. */
static void copy_patch(const work *k, int32_t top, int32_t left, int32_t first, int32_t count) {
    const eq_shape *in = &k->conv->in;
    int32_t zeros = (int32_t)((uint32_t)(uint8_t)k->conv->in_zero_point * 0x01010101u),
            across = k->how->side + 2;
    int8_t *to = k->patch;
    for (int32_t y = top; y < top + across; y++)
        for (int32_t x = left; x < left + across; x++, to += count)
            if (y < 0 || y >= in->height || x < 0 || x >= in->width)
                fill_words(zeros, count, to);
            else
                copy_words(k->input + (y * in->width + x) * in->channels + first, count, to);
}

static void transform_tile(const work *k, int32_t tile, int32_t first, int32_t count, int16_t *to) {
    const eq_shape *in = &k->conv->in;
    int32_t side = k->how->side;
    int32_t top = tile / columns_of(k) * side - k->conv->pad_top;
    int32_t left = tile % columns_of(k) * side - k->conv->pad_left;
    eq_winograd_patch patch = {
        .row = in->width * in->channels,
        .column = in->channels,
        .channels = count,
        .to = to,
        .position = 2 * count,
        .zero = k->conv->in_zero_point + 128,
    };
    if (top >= 0 && left >= 0 && top + side + 2 <= in->height && left + side + 2 <= in->width) {
        patch.from = k->input + (top * in->width + left) * in->channels + first;
        k->how->input(&patch);
        return;
    }
    for (int32_t c = 0; c < count; c += PATCH_CHANNELS, patch.to += PATCH_CHANNELS) {
        patch.channels = least(PATCH_CHANNELS, count - c);
        copy_patch(k, top, left, first + c, patch.channels);
        patch.from = k->patch;
        patch.column = patch.channels;
        patch.row = (side + 2) * patch.channels;
        k->how->input(&patch);
    }
}

/* Tiles and a chunk of channels, and what the transformed weights of a kernel of zeros make of them. */
static void transform_input(const work *k, int32_t tile, int32_t tiles, int32_t first, int32_t count) {
    int32_t side = k->how->side, values = positions(side) * count;
    for (int32_t t = 0; t < tiles; t++) transform_tile(k, tile + t, first, count, k->x + t * values);
    memset(k->patch, 0, (size_t)count);
    memset(k->corrections, 0, (size_t)(tiles * side * side) * sizeof *k->corrections);
    k->how->weights(k->patch, 0, count, k->w);
    k->how->tiles(&(eq_winograd_tiles){k->x, k->w, count / 4, tiles, k->corrections, k->corrections, 0, 0});
}

static void put_outputs(const work *k, int32_t tiles, int32_t channel, const int32_t *sums, int8_t *output) {
    const eq_conv2d_winograd *p = k->conv;
    OUTPUTS(&(eq_winograd_outputs){
        .sums = sums,
        .places = k->places,
        .tiles = tiles,
        .output = output + channel,
        .row = p->out.width * p->out.channels,
        .column = p->out.channels,
        .side = k->how->side,
        .channel = p->channels + channel,
        .min = p->min,
        .max = p->max,
    });
}

static void run(const eq_conv2d_winograd *p, const method *how, const int8_t *input, const int8_t *weights,
                int8_t *output, void *scratch) {
    work k = {.conv = p, .how = how, .input = input, .weights = weights};
    lay_out(&k, p, scratch);
    int32_t side = how->side, in = p->in.channels;
    int32_t all = columns_of(&k) * ((p->out.height + side - 1) / side);
    for (int32_t tile = 0; tile < all; tile += p->tiles) {
        int32_t tiles = least(p->tiles, all - tile), outputs = tiles * side * side;
        find_places(&k, tile, tiles);
        for (int32_t o = 0; o < p->out.channels; o += p->block) {
            int32_t block = least(p->block, p->out.channels - o);
            for (int32_t first = 0; first < in; first += p->depth) {
                int32_t depth = least(p->depth, in - first);
                if (o == 0 || depth < in) transform_input(&k, tile, tiles, first, depth);
                for (int32_t i = 0; i < block; i++) {
                    how->weights(weights + (o + i) * 9 * in + first, in, depth, k.w);
                    how->tiles(&(eq_winograd_tiles){k.x, k.w, depth / 4, tiles, k.sums + i * outputs,
                                                    k.corrections, how->sum_shift, first > 0});
                }
            }
            for (int32_t i = 0; i < block; i++) put_outputs(&k, tiles, o + i, k.sums + i * outputs, output);
        }
    }
}

uint64_t eq_conv2d_s8_winograd2_scratch(const eq_conv2d_winograd *p) {
    return scratch_of(F2.side, p);
}

void eq_conv2d_s8_winograd2(const eq_conv2d_winograd *p, const int8_t *input, const int8_t *weights,
                            int8_t *output, void *scratch) {
    run(p, &F2, input, weights, output, scratch);
}

uint64_t eq_conv2d_s8_winograd4_scratch(const eq_conv2d_winograd *p) {
    return scratch_of(F4.side, p);
}

void eq_conv2d_s8_winograd4(const eq_conv2d_winograd *p, const int8_t *input, const int8_t *weights,
                            int8_t *output, void *scratch) {
    run(p, &F4, input, weights, output, scratch);
}
