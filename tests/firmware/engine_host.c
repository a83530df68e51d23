/* The engine on the host, for tests. Every window on the model image is a copy of exactly the bytes asked for
 * and the arena has exactly the bytes the plan asks for, so that the address sanitizer sees what goes beyond.
 *
 *   engine_host                    stdin: records of u32 image bytes, image, u32 runs, runs x input
 *                                  stdout: for each u32 status; if it is 0: runs x each step's output
 *   engine_host open               stdin: an image; stdout: the status in which opening it ends
 *   engine_host mutate SEED COUNT  stdin: an image. Opens and runs COUNT damaged copies of it.
 *                                  stdout: for each status the number of copies that ended in it */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eq_check.h"
#include "eq_engine.h"

enum { CAPACITY = 1 << 20, SCRATCH = 96 << 10, WINDOWS = 4, SECONDS = 20 };

typedef struct flash {
    const uint8_t *bytes;
    int windows;
} flash;

_Noreturn static void die(const char *why) {
    fprintf(stderr, "engine_host: %s\n", why);
    exit(1);
}

static void *take(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory) die("no memory");
    return memory;
}

static const uint8_t *map(void *ctx, uint32_t offset, uint32_t bytes) {
    flash *f = ctx;
    if (++f->windows > WINDOWS) die("more than four windows are open");
    uint8_t *window = take(bytes);
    memcpy(window, f->bytes + offset, bytes);
    return window;
}

static void unmap(void *ctx, const uint8_t *window) {
    ((flash *)ctx)->windows--;
    free((void *)(uintptr_t)window);
}

static const eq_engine_kind *const kinds[] = {&eq_native, NULL};

/* Opens the image with arena and scratch of the plan's sizes; both are freed after eq_engine_close. */
static eq_status open_exactly(eq_engine *engine, const eq_hal *hal) {
    int8_t *arena = take(CAPACITY);
    uint8_t *scratch = take(SCRATCH);
    eq_status status = eq_engine_open(engine, kinds, hal, arena, CAPACITY, scratch, SCRATCH);
    eq_engine_close(engine);
    free(arena);
    free(scratch);
    uint32_t arena_bytes = engine->arena_bytes, scratch_bytes = engine->scratch_bytes;
    arena = take(arena_bytes);
    scratch = take(scratch_bytes);
    if (status == EQ_OK)
        status = eq_engine_open(engine, kinds, hal, arena, arena_bytes, scratch, scratch_bytes);
    engine->arena = arena;
    engine->scratch = scratch;
    return status;
}

static void close_exactly(eq_engine *engine, const flash *f) {
    eq_engine_close(engine);
    free(engine->arena);
    free(engine->scratch);
    if (f->windows) die("a window is left open");
}

/* Serving */

static bool read_all(void *data, size_t bytes) {
    return fread(data, 1, bytes, stdin) == bytes;
}

static void write_all(const void *data, size_t bytes) {
    if (fwrite(data, 1, bytes, stdout) != bytes) die("cannot write");
}

static bool write_step(void *ctx, uint32_t step, const int8_t *output, uint32_t bytes) {
    (void)ctx, (void)step;
    write_all(output, bytes);
    return true;
}

static void serve(uint32_t bytes) {
    uint8_t *image = take(bytes);
    uint32_t runs;
    if (!read_all(image, bytes) || !read_all(&runs, 4)) die("the record ends early");
    flash f = {image, 0};
    eq_hal hal = {.ctx = &f, .model_partition_bytes = bytes, .map = map, .unmap = unmap};
    eq_engine engine;
    uint32_t status = open_exactly(&engine, &hal);
    if (status != EQ_OK) die(engine.fault.what);
    write_all(&status, 4);
    for (uint32_t i = 0; i < runs; i++) {
        uint32_t size;
        int8_t *input = eq_engine_input(&engine, &size);
        if (!read_all(input, size)) die("an input ends early");
        if (eq_engine_run(&engine, 0, write_step, NULL) != EQ_OK) die(engine.fault.what);
    }
    close_exactly(&engine, &f);
    free(image);
}

/* Mutating */

static uint64_t state;
static uint64_t current;

static uint32_t random_below(uint32_t n) { /* splitmix64 */
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

static uint32_t get(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static void put(uint8_t *p, uint32_t v) {
    memcpy(p, &v, 4);
}

static uint32_t odd_value(uint32_t old) {
    static const uint32_t edges[] = {0,          1,          2,          3,          4,          15,
                                     16,         31,         127,        128,        255,        1023,
                                     1024,       1025,       4096,       0x7FFF,     0x8000,     0xFFFF,
                                     0x10000,    0x7FFFFFFF, 0x80000000, 0xFFFFFF80, 0xFFFFFFF0, 0xFFFFFFFF,
                                     0xFFFFFFE1, 0x00010001, 0x01000100};
    switch (random_below(4)) {
    case 0:
        return old + random_below(9) - 4;
    case 1:
        return old + 16 * random_below(5) - 32;
    case 2:
        return old ^ (1u << random_below(32));
    default:
        return edges[random_below(sizeof edges / sizeof edges[0])];
    }
}

/* One field of [begin, end): a word, a half word or a byte. */
static void overwrite(uint8_t *bytes, uint32_t begin, uint32_t end) {
    uint8_t *p = bytes + begin + 4 * random_below((end - begin) / 4);
    uint32_t old = get(p), value = odd_value(old), part = random_below(4), shift = 8 * random_below(4);
    if (part == 0) value = (old & ~(0xFFFFu << (shift & 16))) | (value & 0xFFFF) << (shift & 16);
    if (part == 1) value = (old & ~(0xFFu << shift)) | (value & 0xFF) << shift;
    put(p, value);
}

static void fix(uint8_t *image, uint32_t bytes, uint32_t plan, uint32_t plan_bytes) {
    put(image + plan + 12, 0);
    put(image + plan + 12, eq_crc32(0, image + plan, plan_bytes));
    eq_sha256 sha;
    eq_sha256_init(&sha);
    eq_sha256_update(&sha, image, bytes - 32);
    eq_sha256_final(&sha, image + bytes - 32);
}

static void damage(uint8_t *image, uint32_t bytes) {
    uint32_t plan = get(image + 16 + 4), plan_bytes = get(image + 16 + 8), sections = get(image + 12);
    uint8_t *p = image + plan;
    uint32_t tensors = get(p + 40), steps = get(p + 48), params = get(p + 56), names = get(p + 64);
    switch (random_below(8)) {
    case 0: /* as flash or a cable would: nothing is made to fit again */
        for (uint32_t n = 1 + random_below(8); n; n--)
            image[random_below(bytes)] ^= (uint8_t)(1u << random_below(8));
        return;
    case 1:
        overwrite(image, 0, 16 + 16 * sections);
        break;
    case 2:
        overwrite(p, 0, 80);
        break;
    case 3:
        overwrite(p, tensors, steps);
        break;
    case 4:
        overwrite(p, steps, params);
        break;
    case 5:
        overwrite(p, params, names);
        break;
    default:
        for (uint32_t n = 1 + random_below(6); n; n--) overwrite(p, 16, plan_bytes);
    }
    fix(image, bytes, plan, plan_bytes);
}

static bool sum_up(void *ctx, uint32_t step, const int8_t *output, uint32_t bytes) {
    (void)step;
    uint32_t *sum = ctx;
    for (uint32_t i = 0; i < bytes; i++) *sum += (uint8_t)output[i];
    return true;
}

/* All that a link or a console would ask of an engine. */
static eq_status exercise(eq_engine *engine) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < engine->plan.tensors_count; i++) {
        eq_tensor tensor;
        if (eq_engine_tensor(engine, i, &tensor) != EQ_OK) die("a tensor is not there");
        if (!tensor.constant) sum_up(&sum, 0, engine->arena + tensor.offset, tensor.bytes);
    }
    for (uint32_t i = 0; i < engine->steps; i++) {
        eq_step step;
        if (eq_engine_step(engine, i, &step) != EQ_OK) die("a step is not there");
        sum_up(&sum, 0, (const int8_t *)step.name, step.name_bytes);
    }
    for (uint32_t i = 0; i < engine->golden_count; i++) {
        bool equal;
        uint32_t at;
        if (eq_engine_golden_load(engine, i) != EQ_OK) die("a golden sample is not there");
        eq_status status = eq_engine_run(engine, 0, sum_up, &sum);
        if (status != EQ_OK) return status;
        if (eq_engine_golden_check(engine, i, &equal, &at) != EQ_OK) die("a golden sample is not there");
    }
    return eq_engine_run(engine, 0, sum_up, &sum);
}

/* Opens it, runs it, closes it. */
static eq_status live_through(const uint8_t *image, uint32_t bytes) {
    flash f = {image, 0};
    eq_hal hal = {.ctx = &f, .model_partition_bytes = bytes, .map = map, .unmap = unmap};
    eq_engine engine;
    eq_status status = open_exactly(&engine, &hal);
    if (status == EQ_OK && (status = exercise(&engine)) != EQ_OK) die("a checked plan does not run");
    if (status != EQ_OK && (status != engine.fault.status || !engine.fault.what))
        die("a refusal without a reason");
    close_exactly(&engine, &f);
    return status;
}

static eq_status try_one(const uint8_t *image, uint32_t bytes, uint64_t seed) {
    current = state = seed;
    alarm(SECONDS);
    uint8_t *copy = take(bytes);
    memcpy(copy, image, bytes);
    damage(copy, bytes);
    eq_status status = live_through(copy, bytes);
    free(copy);
    return status;
}

static void report(void) {
    fprintf(stderr, "engine_host: at seed %llu\n", (unsigned long long)current);
}

static void on_alarm(int number) {
    (void)number;
    report();
    _exit(1);
}

static void mutate(uint64_t seed, uint32_t count) {
    uint8_t *image = take(CAPACITY);
    uint32_t bytes = (uint32_t)fread(image, 1, CAPACITY, stdin);
    uint32_t ended[EQ_OUT_OF_RANGE + 1] = {0};
    signal(SIGALRM, on_alarm);
    for (uint32_t i = 0; i < count; i++) ended[try_one(image, bytes, seed + i)]++;
    for (uint32_t s = 0; s <= EQ_OUT_OF_RANGE; s++)
        printf("%s: %u\n", eq_status_text((eq_status)s), ended[s]);
    free(image);
}

#ifdef __SANITIZE_ADDRESS__
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

int main(int argc, char **argv) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_set_death_callback(report);
#endif
    if (argc == 4 && !strcmp(argv[1], "mutate")) {
        mutate(strtoull(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10));
        return 0;
    }
    if (argc == 2 && !strcmp(argv[1], "open")) {
        uint8_t *image = take(CAPACITY);
        puts(eq_status_text(live_through(image, (uint32_t)fread(image, 1, CAPACITY, stdin))));
        free(image);
        return 0;
    }
    for (uint32_t bytes; read_all(&bytes, 4);) serve(bytes);
    return 0;
}
