/* The widening kernels in assembly against the plain ones in C, on the core itself. A line per shape:
 * "kernel equal|differs products fast plain", the last two in instructions. */
#include <string.h>

#include "ccount.h"
#include "eq_kernels.h"
#include "simcall.h"

extern uint8_t bss_start[], bss_end[];
int main(void);

enum { MOST = 1 << 16, CHANNELS = 64 };
static _Alignas(4) int8_t input[MOST], weights[MOST + 4], plain[MOST], fast[MOST];
static int32_t bias[CHANNELS], multipliers[CHANNELS], shifts[CHANNELS];
static eq_scaled_channel channels[CHANNELS];
static _Alignas(16) uint8_t scratch[96 << 10];
static uint32_t seed = 1;

static uint32_t next(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static void put(const char *text) {
    console_write((const uint8_t *)text, (uint32_t)strlen(text));
}

static void put_number(uint64_t value) {
    char digits[24];
    char *at = digits + sizeof digits;
    *--at = 0;
    *--at = ' ';
    do *--at = (char)('0' + value % 10);
    while (value /= 10);
    put(at);
}

/* kernels.md#scaled-sums: sums that begin with the bias less `zero` times each weight and, of a linear layer,
 * less 127 times each even one + 128. */
static void scale_channels(const int8_t *w, int32_t count, int32_t zero, const eq_output *output,
                           int32_t bits, bool linear) {
    for (int32_t c = 0; c < CHANNELS; c++, w += count) {
        uint32_t start = (uint32_t)bias[c];
        for (int32_t i = 0; i < count; i++) start -= (uint32_t)(zero * w[i]);
        start <<= bits;
        for (int32_t i = 0; linear && i < count; i += 2) start -= (uint32_t)(127 * (w[i] + 128));
        int32_t right = bits - 1 - shifts[c];
        int32_t up =
            output->zero_point * (1 << right) + (1 << (right - 1)) + (shifts[c] ? 1 << (bits - 2) : 0);
        int32_t down = shifts[c] && output->min < output->zero_point ? up - (1 << (bits - 1)) : up;
        channels[c] = (eq_scaled_channel){(int32_t)start, multipliers[c], up, down, right};
    }
}

static void fill(int32_t inputs, int8_t *w, int32_t count) {
    for (int32_t i = 0; i < inputs; i++) input[i] = (int8_t)next();
    for (int32_t i = 0; i < count; i++) w[i] = (int8_t)(next() % 255 - 127);
    for (int32_t i = 0; i < CHANNELS; i++) {
        bias[i] = (int32_t)(next() % 20000) - 10000;
        multipliers[i] = (1 << 30) + (int32_t)(next() << 4 & 0x3fffffff);
        shifts[i] = i % 7 == 0 ? -(int32_t)(next() % 14) : -8 - (int32_t)(next() % 4);
    }
}

static void report(const char *kernel, int32_t outputs, int32_t products, uint64_t fast_took,
                   uint64_t plain_took) {
    put(kernel);
    put(memcmp(fast, plain, (size_t)outputs) ? " differs " : " equal ");
    put_number((uint64_t)products);
    put_number(fast_took);
    put_number(plain_took);
    put("\n");
}

/* height, width, channels, outputs, window, stride, dilation, padding, at a time; weights `skew` bytes off a
 * word. */
static void convolve(const int32_t *s, bool gather, int32_t bits, eq_output output, int32_t skew) {
    int32_t span = (s[4] - 1) * s[6] + 1, values = s[4] * s[4] * s[2];
    eq_conv2d p = {
        .in = {s[0], s[1], s[2]},
        .out = {(s[0] + 2 * s[7] - span) / s[5] + 1, (s[1] + 2 * s[7] - span) / s[5] + 1, s[3]},
        .window = {s[4], s[4], s[5], s[5], s[6], s[6], s[7], s[7]},
        .in_zero_point = (int32_t)(next() % 256) - 128,
        .output = output,
        .multipliers = multipliers,
        .shifts = shifts,
    };
    int8_t *w = weights + skew;
    fill(s[0] * s[1] * s[2], w, values * s[3]);
    scale_channels(w, values, p.in_zero_point + 128, &output, bits, false);
    eq_conv2d_gather windows = {p.in,       p.out, p.window, p.in_zero_point, output.min,
                                output.max, s[8],  bits,     channels};
    eq_conv2d_mac16 lines = {p.in,       p.out, p.window, p.in_zero_point, output.min,
                             output.max, s[8],  bits,     channels};
    uint64_t start = instructions();
    if (gather)
        eq_conv2d_s8_gather(&windows, input, w, fast, scratch);
    else
        eq_conv2d_s8_mac16(&lines, input, w, fast, scratch);
    uint64_t middle = instructions();
    eq_conv2d_s8(&p, input, w, bias, plain);
    uint64_t end = instructions();
    int32_t outputs = p.out.height * p.out.width * s[3];
    report(gather ? "conv2d_s8_gather" : "conv2d_s8_mac16", outputs, outputs * values, middle - start,
           end - middle);
}

static void connect(int32_t rows, int32_t inputs, int32_t outputs, eq_output output) {
    eq_fully_connected p = {rows,   inputs,      outputs, (int32_t)(next() % 256) - 128,
                            output, multipliers, shifts};
    fill(rows * inputs, weights, inputs * outputs);
    scale_channels(weights, inputs, p.in_zero_point, &output, 8, true);
    eq_fully_connected_mac16 words = {rows, inputs, outputs, output.min, output.max, channels};
    uint64_t start = instructions();
    eq_fully_connected_s8_mac16(&words, input, weights, fast, scratch);
    uint64_t middle = instructions();
    eq_fully_connected_s8(&p, input, weights, bias, plain);
    uint64_t end = instructions();
    report("fully_connected_s8_mac16", rows * outputs, rows * inputs * outputs, middle - start, end - middle);
}

int main(void) {
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    ccount_synchronise();
    static const eq_output ranges[] = {{5, -128, 127}, {-128, -128, 127}, {-7, -7, 99}, {3, -100, 90}};
    static const int32_t shapes[][9] = {
        {5, 6, 3, 4, 3, 1, 1, 1, 4},       {7, 5, 5, 9, 3, 2, 1, 1, 2},    {9, 9, 7, 6, 3, 1, 2, 2, 6},
        {6, 6, 1, 3, 5, 1, 1, 2, 2},       {8, 8, 64, 64, 1, 1, 1, 0, 64}, {4, 4, 17, 33, 2, 2, 1, 0, 3},
        {11, 9, 2, 1, 7, 3, 1, 3, 1},      {3, 3, 33, 2, 3, 1, 1, 1, 1},   {9, 9, 12, 6, 3, 1, 2, 2, 11},
        {16, 16, 32, 32, 3, 1, 1, 1, 128}, {8, 8, 4, 6, 1, 2, 1, 0, 7},    {8, 8, 12, 6, 1, 1, 1, 1, 11},
    };
    static const int32_t lines[][9] = {
        {5, 6, 4, 4, 3, 1, 1, 1, 4},   {7, 5, 8, 9, 3, 2, 1, 1, 2},  {9, 9, 12, 6, 5, 1, 1, 2, 3},
        {4, 4, 16, 33, 2, 2, 1, 0, 2}, {11, 9, 4, 1, 7, 3, 1, 3, 1}, {16, 16, 32, 32, 3, 1, 1, 1, 8},
    };
    for (unsigned i = 0; i < 4 * sizeof shapes / sizeof shapes[0]; i++)
        convolve(shapes[i / 4], true, i % 3 ? 8 : 2, ranges[i % 4], (int32_t)(i % 5 % 4));
    for (unsigned i = 0; i < 4 * sizeof lines / sizeof lines[0]; i++)
        convolve(lines[i / 4], false, i % 3 ? 8 : 2, ranges[i % 4], (int32_t)(i % 5 % 4));
    for (int32_t i = 1; i <= 16; i++) connect(1 + i % 2, i * 4, 65 - 4 * i, ranges[i % 4]);
    connect(1, 1000, 64, ranges[0]);
    return 0;
}
