/* Seeded layers for test_tflm_kernels.py: what eq_choose.h chooses for each, in a scratch of just the stated
 * size, against the plain kernel. argv: seed, layers, scratch limit. Prints a letter for each layer, which
 * says what ran; ends with exit code 1 and the layer on stderr where a byte differs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eq_choose.h"

static uint64_t state;

static uint32_t draw(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static int32_t between(int32_t low, int32_t high) {
    return (int32_t)((uint32_t)low + draw() % ((uint32_t)high - (uint32_t)low + 1u));
}

static bool chance(int32_t percent) {
    return between(1, 100) <= percent;
}

static int32_t int8(void) {
    return chance(40) ? (chance(50) ? -128 : 127) : between(-128, 127);
}

static void *memory(size_t bytes) {
    void *p = aligned_alloc(16, (bytes + 15) / 16 * 16 + 16);
    if (!p) exit(3);
    memset(p, 0x5A, bytes);
    return p;
}

/* Any values, or those that sums are largest with. */
static int8_t *values(int32_t count) {
    int8_t *p = malloc((size_t)count); /* on 16 bytes, and the sanitizer watches its end */
    bool ends = chance(30), up = chance(50);
    for (int32_t i = 0; p && i < count; i++)
        p[i] = (int8_t)(ends ? (chance(95) == up ? 127 : -128) : between(-128, 127));
    return p;
}

/* Constants of `channels` outputs. */
typedef struct constants {
    int32_t *multipliers, *shifts, *bias;
    eq_output output;
} constants;

static constants constants_of(int32_t channels, int32_t products) {
    size_t bytes = (size_t)channels * sizeof(int32_t);
    constants c = {memory(bytes), memory(bytes), chance(10) ? NULL : memory(bytes), {int8(), -128, 127}};
    int32_t shift = chance(80) ? -4 : between(-31, 3);
    while (products > 64 && shift > -31 && chance(70)) products /= 4, shift--;
    for (int32_t i = 0; i < channels; i++) {
        c.multipliers[i] = chance(95) ? between(1 << 30, INT32_MAX) : 0;
        c.shifts[i] = chance(90) ? shift : between(shift > -31 ? shift - 1 : shift, shift);
        if (c.bias) c.bias[i] = chance(95) ? between(-20000, 20000) : between(INT32_MIN / 2, INT32_MAX / 2);
    }
    if (chance(40)) c.output.min = c.output.zero_point;
    if (chance(20)) c.output.max = between(c.output.min, 127);
    return c;
}

static void release(constants *c) {
    free(c->multipliers);
    free(c->shifts);
    free(c->bias);
}

static void compare(const char *what, const eq_conv2d *p, const int8_t *found, const int8_t *expected,
                    int32_t bytes) {
    for (int32_t i = 0; i < bytes; i++) {
        if (found[i] == expected[i]) continue;
        fprintf(stderr, "%s: %d x %d x %d to %d x %d x %d, window %d x %d: byte %d is %d, not %d\n", what,
                p->in.height, p->in.width, p->in.channels, p->out.height, p->out.width, p->out.channels,
                p->window.height, p->window.width, i, found[i], expected[i]);
        exit(1);
    }
}

static int32_t side(int32_t in, int32_t size, int32_t stride, int32_t dilation, int32_t pad) {
    int32_t span = (size - 1) * dilation + 1;
    return in + 2 * pad < span ? 0 : (in + 2 * pad - span) / stride + 1;
}

/* A window over an input of any size. */
static eq_conv2d window(void) {
    eq_conv2d p = {.in_zero_point = int8()};
    int32_t size = chance(70) ? 3 : between(1, 5), stride = chance(60) ? 1 : between(1, 3);
    int32_t dilation = chance(85) ? 1 : 2, pad = between(0, size / 2);
    do {
        p.in = (eq_shape){between(1, 14), between(1, 20), 1};
        p.out.height = side(p.in.height, size, stride, dilation, pad);
        p.out.width = side(p.in.width, size, stride, dilation, pad);
    } while (!p.out.height || !p.out.width);
    p.window = (eq_window){size, size, stride, stride, dilation, dilation, pad, pad};
    return p;
}

static void use(eq_conv2d *p, const constants *c) {
    p->output = c->output;
    p->multipliers = c->multipliers;
    p->shifts = c->shifts;
}

static char conv2d(const eq_limits *limits) {
    eq_conv2d p = window();
    p.in.channels = chance(70) ? 4 * between(1, 40) : between(1, 20);
    p.out.channels = chance(50) ? between(1, 6) : between(16, 40);
    int32_t products = p.window.height * p.window.width * p.in.channels;
    int32_t inputs = p.in.height * p.in.width * p.in.channels;
    int32_t outputs = p.out.height * p.out.width * p.out.channels;
    constants c = constants_of(p.out.channels, products);
    use(&p, &c);
    int8_t *x = values(inputs), *w = values(products * p.out.channels), *y = memory((size_t)outputs);
    int8_t *expected = memory((size_t)outputs);
    eq_scaled_channel *channels = memory((size_t)p.out.channels * sizeof *channels);
    eq_conv2d_choice choice = eq_choose_conv2d(&p, w, c.bias, limits, channels);
    if (choice.scratch_bytes > limits->scratch_bytes) exit(2);
    void *scratch = malloc(choice.scratch_bytes);
    eq_run_conv2d_choice(&choice, x, w, c.bias, y, scratch);
    eq_conv2d_s8(&p, x, w, c.bias, expected);
    compare("conv2d", &p, y, expected, outputs);
    free(scratch), free(channels), free(x), free(w), free(y), free(expected), release(&c);
    return "pgl24"[choice.kernel];
}

static char depthwise(const eq_limits *limits) {
    eq_conv2d p = window();
    int32_t multiplier = chance(70) ? 1 : between(2, 3);
    p.in.channels = chance(60) ? 4 * between(1, 5) : between(1, 18);
    p.out.channels = p.in.channels * multiplier;
    int32_t taps = p.window.height * p.window.width, outputs = p.out.height * p.out.width * p.out.channels;
    constants c = constants_of(p.out.channels, taps);
    use(&p, &c);
    int8_t *x = values(p.in.height * p.in.width * p.in.channels), *w = values(taps * p.out.channels);
    int8_t *y = memory((size_t)outputs), *expected = memory((size_t)outputs);
    eq_scaled_channel *channels = memory((size_t)p.out.channels * sizeof *channels);
    eq_depthwise_choice choice = eq_choose_depthwise(&p, w, c.bias, limits, channels);
    if (choice.scratch_bytes > limits->scratch_bytes) exit(2);
    void *scratch = malloc(choice.scratch_bytes);
    eq_run_depthwise_choice(&choice, x, w, c.bias, y, scratch);
    eq_depthwise_conv2d_s8(&p, x, w, c.bias, expected);
    compare("depthwise", &p, y, expected, outputs);
    free(scratch), free(channels), free(x), free(w), free(y), free(expected), release(&c);
    if (choice.kernel == EQ_DEPTHWISE_PLAIN) return 'd';
    return choice.kernel == EQ_DEPTHWISE_MAC16 ? 'w' : choice.as.mac16.turned ? 'c' : 'r';
}

static char fully_connected(const eq_limits *limits) {
    int32_t rows = between(1, 3), inputs = chance(70) ? 4 * between(1, 60) : between(1, 60);
    int32_t outputs = between(1, 20);
    constants c = constants_of(outputs, inputs);
    int8_t *x = values(rows * inputs), *w = values(inputs * outputs), *y = memory((size_t)(rows * outputs));
    int8_t *expected = memory((size_t)(rows * outputs));
    eq_scaled_channel *channels = memory((size_t)outputs * sizeof *channels);
    eq_layer layer = {w, inputs, 1, c.bias, c.multipliers, c.shifts, outputs, inputs, int8(), c.output};
    eq_fully_connected plain = {rows,     inputs,        outputs, layer.in_zero_point,
                                c.output, c.multipliers, c.shifts};
    uint32_t bytes = eq_choose_fully_connected(&layer, limits, channels);
    void *scratch = malloc(bytes);
    eq_fully_connected_mac16 fast = {rows, inputs, outputs, c.output.min, c.output.max, channels};
    eq_fully_connected_s8(&plain, x, w, c.bias, expected);
    if (bytes)
        eq_fully_connected_s8_mac16(&fast, x, w, y, scratch);
    else
        eq_fully_connected_s8(&plain, x, w, c.bias, y);
    eq_conv2d shape = {.in = {rows, 1, inputs}, .out = {rows, 1, outputs}};
    compare("fully connected", &shape, y, expected, rows * outputs);
    free(scratch), free(channels), free(x), free(w), free(y), free(expected), release(&c);
    return bytes ? 'F' : 'f';
}

static eq_factor below_one(void) {
    return (eq_factor){between(1 << 30, INT32_MAX), -between(0, chance(90) ? 8 : 31)};
}

static char add(void) {
    enum { ELEMENTS = 256 };
    eq_shape shape = {1, 1, ELEMENTS};
    eq_add p = {{shape, shape, shape}, int8(),      int8(),      20,
                below_one(),           below_one(), below_one(), {int8(), -128, 127}};
    p.sum.shift = chance(90) ? -between(10, 21) : -between(0, 31);
    if (chance(40)) p.output.min = p.output.zero_point;
    int8_t *a = values(ELEMENTS), *b = values(ELEMENTS), y[ELEMENTS], expected[ELEMENTS];
    static int32_t tables[EQ_ADD_TABLES];
    bool by_table = eq_can_add_by_table(&p);
    eq_add_s8(&p, a, b, expected);
    if (by_table) {
        eq_add_table table;
        eq_make_add_table(&p, ELEMENTS, tables, &table);
        eq_add_s8_table(&table, a, b, y);
        eq_conv2d none = {.in = shape, .out = shape};
        compare("add", &none, y, expected, ELEMENTS);
    }
    free(a), free(b);
    return by_table ? 'A' : 'a';
}

int main(int argc, char **argv) {
    if (argc != 4) return 4;
    state = strtoull(argv[1], NULL, 10);
    eq_limits limits = {true, (uint32_t)strtoul(argv[3], NULL, 10)};
    for (long i = strtol(argv[2], NULL, 10); i > 0; i--) {
        int32_t kind = between(0, 9);
        putchar(kind < 5   ? conv2d(&limits)
                : kind < 7 ? depthwise(&limits)
                : kind < 9 ? fully_connected(&limits)
                           : add());
    }
    putchar('\n');
    return 0;
}
