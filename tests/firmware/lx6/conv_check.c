/* eq_conv2d_s8_mac16 in assembly against eq_conv2d_s8 in C, on the core itself. A line per shape:
 * "height width channels outputs window stride dilation padding block equal|differs products mac16 plain",
 * the last two in instructions. */
#include <string.h>

#include "ccount.h"
#include "eq_kernels.h"
#include "simcall.h"

extern uint8_t bss_start[], bss_end[];
int main(void);

enum { MOST = 1 << 16 };
static int8_t input[MOST], weights[MOST], plain[MOST], fast[MOST];
static int32_t bias[64], multipliers[64], shifts[64];
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

/* height, width, channels, outputs, window, stride, dilation, padding, block */
static void check(const int32_t *s) {
    int32_t span = (s[4] - 1) * s[6] + 1;
    eq_conv2d p = {
        .in = {s[0], s[1], s[2]},
        .out = {(s[0] + 2 * s[7] - span) / s[5] + 1, (s[1] + 2 * s[7] - span) / s[5] + 1, s[3]},
        .window = {s[4], s[4], s[5], s[5], s[6], s[6], s[7], s[7]},
        .in_zero_point = (int32_t)(next() % 256) - 128,
        .output = {5, -128, 127},
        .multipliers = multipliers,
        .shifts = shifts,
    };
    for (int32_t i = 0; i < s[0] * s[1] * s[2]; i++) input[i] = (int8_t)next();
    for (int32_t i = 0; i < s[4] * s[4] * s[2] * s[3]; i++) weights[i] = (int8_t)(next() % 255 - 127);
    for (int32_t i = 0; i < s[3]; i++) {
        bias[i] = (int32_t)(next() % 20000) - 10000;
        multipliers[i] = (1 << 30) + (int32_t)(next() << 4 & 0x3fffffff);
        shifts[i] = i % 7 == 0 ? -(int32_t)(next() % 32) : -8 - (int32_t)(next() % 4);
    }
    int32_t outputs = p.out.height * p.out.width * s[3];
    uint64_t start = instructions();
    eq_conv2d_s8_mac16(&p, s[8], input, weights, bias, fast, scratch);
    uint64_t middle = instructions();
    eq_conv2d_s8(&p, input, weights, bias, plain);
    uint64_t end = instructions();
    for (int i = 0; i < 9; i++) put_number((uint64_t)s[i]);
    put(memcmp(fast, plain, (size_t)outputs) ? "differs " : "equal ");
    put_number((uint64_t)(outputs * s[4] * s[4] * s[2]));
    put_number(middle - start);
    put_number(end - middle);
    put("\n");
}

int main(void) {
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    ccount_synchronise();
    static const int32_t shapes[][9] = {
        {5, 6, 3, 4, 3, 1, 1, 1, 4},      {7, 5, 5, 9, 3, 2, 1, 1, 2},    {9, 9, 7, 6, 3, 1, 2, 2, 6},
        {6, 6, 1, 3, 5, 1, 1, 2, 2},      {8, 8, 64, 64, 1, 1, 1, 0, 64}, {4, 4, 17, 33, 2, 2, 1, 0, 5},
        {11, 9, 2, 1, 7, 3, 1, 3, 1},     {3, 3, 33, 2, 3, 1, 1, 1, 1},   {10, 10, 15, 16, 3, 1, 1, 1, 16},
        {16, 16, 32, 32, 3, 1, 1, 1, 32}, {1, 1, 128, 64, 1, 1, 1, 0, 7},
    };
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++) check(shapes[i]);
    return 0;
}
