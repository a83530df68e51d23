/* Exercises the port's parts and prints what came out, a line each; the test knows what should have.
 * Then it obeys one-byte commands from the console. */
#include <string.h>

#include "ccount.h"
#include "eq_check.h"
#include "simcall.h"

uint32_t *multiply_registers(const uint32_t operands[2], uint32_t *results);
uint32_t loop_mulsh(uint32_t x, uint32_t y, uint32_t turns);
uint32_t loop_muluh(uint32_t x, uint32_t y, uint32_t turns);
uint32_t first_mulsh_4(uint32_t x, uint32_t y);
uint32_t first_mulsh_8(uint32_t x, uint32_t y);
uint32_t first_mulsh_15(uint32_t x, uint32_t y);
uint32_t first_mull_4(uint32_t x, uint32_t y);
uint32_t first_mull_8(uint32_t x, uint32_t y);
uint32_t first_mull_15(uint32_t x, uint32_t y);
uint32_t recurse4(uint32_t depth, uint32_t x);
uint32_t recurse8(uint32_t depth, uint32_t x);
uint32_t recurse12(uint32_t depth, uint32_t x);
uint32_t movsp4(uint32_t x);
uint32_t movsp8(uint32_t x);
uint32_t movsp12(uint32_t x);
uint32_t span_nop(uint64_t (*clock)(void), uint32_t turns);
uint32_t span_mulsh(uint64_t (*clock)(void), uint32_t turns);
uint32_t span_muluh(uint64_t (*clock)(void), uint32_t turns);
uint32_t dot_one_ahead(const int16_t *x, const int16_t *w, uint32_t quads);
int main(void);

static uint32_t crc;
static uint32_t random_state = 1;

static uint32_t random32(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static uint64_t random64(void) {
    uint64_t low = random32();
    return low | (uint64_t)random32() << 32;
}

static void keep(const void *bytes, uint32_t count) {
    crc = eq_crc32(crc, bytes, count);
}

static void put(const char *text) {
    console_write((const uint8_t *)text, (uint32_t)strlen(text));
}

static void put_hex(const uint8_t *bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const char *digits = "0123456789abcdef";
        const uint8_t pair[2] = {(uint8_t)digits[bytes[i] >> 4], (uint8_t)digits[bytes[i] & 15]};
        console_write(pair, 2);
    }
}

static void line(const char *name, uint32_t value) {
    const uint8_t big_endian[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                                   (uint8_t)value};
    put(name);
    put(" ");
    put_hex(big_endian, 4);
    put("\n");
}

static void line_of_kept(const char *name) {
    line(name, crc);
    crc = 0;
}

static void check_multiplication(void) {
    static const uint32_t edges[] = {0,      1,       2,          0x7fff,     0x8000,
                                     0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};
    enum { EDGES = sizeof edges / sizeof *edges };
    for (uint32_t i = 0; i < EDGES * EDGES + 1000; i++) {
        uint32_t a = i < EDGES * EDGES ? edges[i / EDGES] : random32();
        uint32_t b = i < EDGES * EDGES ? edges[i % EDGES] : random32();
        int64_t with_sign = (int64_t)(int32_t)a * (int32_t)b;
        uint64_t without = (uint64_t)a * b;
        keep(&with_sign, 8);
        keep(&without, 8);
    }
    line_of_kept("products");

    uint32_t operands[2] = {0x89abcdef, 0x76543210}, results[64];
    uint32_t count = (uint32_t)(multiply_registers(operands, results) - results);
    for (uint32_t i = 0; i < count; i++) keep(&results[i], 4);
    line("register-choices", count);
    line_of_kept("register-products");
    line("loop-mulsh", loop_mulsh(0x12345678, 0x76543210, 9));
    line("loop-muluh", loop_muluh(0x12345678, 0xfedcba98, 9));
    line("loop-none", loop_mulsh(5, 6, 0));
}

static void check_division(void) {
    for (uint32_t i = 0; i < 300; i++) {
        uint64_t a = random64() >> (random32() & 63), b = random64() >> (random32() & 63) | 1;
        int64_t sa = (int64_t)(random64() << (i & 31)), sb = (int64_t)(random64() >> (i & 31)) | 1;
        uint32_t by = random32() & 63;
        uint64_t answers[] = {
            a / b,   a % b,   (uint64_t)(sa / sb), (uint64_t)(sa % sb), (uint64_t)(sb / sa | 1), a * b,
            a << by, a >> by, (uint64_t)(sa >> by)};
        keep(answers, sizeof answers);
    }
    line_of_kept("int64");
}

static void check_memory_functions(void) {
    static uint8_t a[96], b[96];
    for (uint32_t bytes = 0; bytes <= 40; bytes++)
        for (uint32_t to = 0; to < 5; to++)
            for (uint32_t from = 0; from < 9; from++) {
                for (uint32_t i = 0; i < sizeof a; i++)
                    a[i] = (uint8_t)(i * 7 + bytes), b[i] = (uint8_t)(200 - i);
                memcpy(b + to, a + from, bytes);
                memmove(a + to, a + from, bytes);
                memset(b + 48 + to, (int)(from * 31), bytes);
                uint8_t sign = (uint8_t)(memcmp(a + to, b + to, bytes + from) < 0 ? 1 : 2);
                keep(a, sizeof a);
                keep(b, sizeof b);
                keep(&sign, 1);
            }
    line_of_kept("memory");
}

static void check_hashes(void) {
    static uint8_t bytes[1000];
    uint8_t digest[32];
    eq_sha256 s;
    for (uint32_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 131);
    line("crc32", eq_crc32(0, bytes, sizeof bytes));
    eq_sha256_init(&s);
    for (uint32_t at = 0; at < sizeof bytes; at += 125) eq_sha256_update(&s, bytes + at, 125);
    eq_sha256_final(&s, digest);
    put("sha256 ");
    put_hex(digest, 32);
    put("\n");
}

static uint32_t __attribute__((noinline)) variable_array(uint32_t bytes, uint32_t depth) {
    uint32_t below = recurse8(20, bytes);
    uint8_t array[bytes + 1];
    for (uint32_t i = 0; i <= bytes; i++) array[i] = (uint8_t)(i + depth);
    uint32_t more = depth ? variable_array(bytes + 3, depth - 1) : 0;
    return below + more + eq_crc32(0, array, bytes + 1);
}

static void check_windows(void) {
    line("recurse4", recurse4(50, 3));
    line("recurse8", recurse8(50, 3));
    line("recurse12", recurse12(50, 3));
    line("movsp4", movsp4(1));
    line("movsp8", movsp8(1));
    line("movsp12", movsp12(1));
    line("variable-array", variable_array(5, 12));
}

typedef uint32_t binary(uint32_t x, uint32_t y);

/* Fills the register file with live frames, then lets `leaf` be the first to touch its registers, at each
 * depth. */
static uint32_t __attribute__((noinline)) at_depth(uint32_t depth, uint32_t x, binary *leaf) {
    uint32_t before = leaf(x, depth);
    uint32_t below = depth ? at_depth(depth - 1, x * 5 + 1, leaf) : 0;
    return before ^ (below + x) ^ leaf(x, depth + 7);
}

static uint32_t cost_at_depth(binary *leaf) {
    uint64_t start = instructions();
    (void)at_depth(30, 0x9e3779b9, leaf);
    return (uint32_t)(instructions() - start);
}

static void check_counting(void) {
    line("at-depth-4", at_depth(30, 0x9e3779b9, first_mulsh_4));
    line("at-depth-8", at_depth(30, 0x9e3779b9, first_mulsh_8));
    line("at-depth-15", at_depth(30, 0x9e3779b9, first_mulsh_15));
    line("cost-at-depth-4", cost_at_depth(first_mulsh_4) - cost_at_depth(first_mull_4));
    line("cost-at-depth-8", cost_at_depth(first_mulsh_8) - cost_at_depth(first_mull_8));
    line("cost-at-depth-15", cost_at_depth(first_mulsh_15) - cost_at_depth(first_mull_15));
    for (uint32_t turns = 1; turns <= 25; turns++) {
        line("nop", span_nop(instructions, turns) - span_nop(instructions, 0));
        line("mulsh", span_mulsh(instructions, turns) - span_nop(instructions, 0));
        line("muluh", span_muluh(instructions, turns) - span_nop(instructions, 0));
    }
    line("nops", span_nop(instructions, 100000) - span_nop(instructions, 0));
    line("mulshs", span_mulsh(instructions, 2000) - span_nop(instructions, 0));

    uint32_t nearly_around = 0xffffffe0;
    __asm__ volatile("wsr %0, ccount" ::"r"(nearly_around));
    uint64_t before = instructions();
    uint32_t over_the_wrap = span_nop(instructions, 1000), behind_it = span_nop(instructions, 1000);
    line("wrap", over_the_wrap - behind_it);
    line("wrap-high-word", (uint32_t)((instructions() - before) >> 32));
}

/* What the kernels in assembly rest on. */
static void check_products_with_loads(void) {
    static int16_t x[44] __attribute__((aligned(4))), w[46] __attribute__((aligned(4)));
    for (uint32_t i = 0; i < 44; i++) x[i] = (int16_t)(i * i * 7919);
    for (uint32_t i = 0; i < 46; i++) w[i] = (int16_t)(i * i * 6007 + 1);
    for (uint32_t quads = 1; quads <= 10; quads++) line("dot", dot_one_ahead(x, w, quads));
}

static void check_instruction_limit(void) {
    uint32_t nearly_around = 0xfffffff0;
    __asm__ volatile("wsr %0, icount\n\tisync" ::"r"(nearly_around));
    uint32_t over_the_wrap = span_nop(instructions, 1000), behind_it = span_nop(instructions, 1000);
    line("limit", over_the_wrap - behind_it);
}

static void obey(uint8_t command) {
    if (command == 'r') halt(EXIT_REBOOT);
    if (command == 'l') line("load", *(volatile uint32_t *)0xf0000000);
    if (command == 's') line("stack", at_depth(1u << 30, 1, first_mull_4));
    volatile uint64_t zero = 0;
    if (command == 'd') line("division", (uint32_t)((1ull << 40) / zero));
    console_write(&command, 1);
}

int main(void) {
    ccount_synchronise();
    check_hashes();
    check_multiplication();
    check_division();
    check_memory_functions();
    check_windows();
    check_counting();
    check_products_with_loads();
    check_instruction_limit();
    line("instructions", (uint32_t)instructions());

    static uint8_t input[8192];
    uint32_t count;
    while ((count = console_read(input, sizeof input))) {
        if (count == 1)
            obey(input[0]);
        else
            console_write(input, count);
    }
    put("end of stream\n");
    return EXIT_END_OF_STREAM;
}
