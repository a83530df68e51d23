/* A board for test_eq_link.py: eq_link with a toy engine and a clock that only the engine moves.
 *
 * The model has 8 bytes of input and three steps: add 1, double, reverse. Step k takes 100 * (k + 1) ticks.
 * Golden sample 0 is right, golden sample 1 differs at byte 5. argv[1] says what is wrong with the board:
 * "none", "no-model", "refused", "no-goldens", or "fails" (in step 1).
 * The console is stdin and stdout. A reboot starts the console anew. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eq_link.h"

enum { SIZE = 8, STEPS = 3 };

static const int8_t golden_input[SIZE] = {1, 2, 3, 4, 5, 6, 7, -8};
static const int8_t golden_output[2][SIZE] = {{-14, 16, 14, 12, 10, 8, 6, 4}, {-14, 16, 14, 12, 10, 9, 6, 4}};
static const eq_step step_table[STEPS] = {
    {.macs = 10, .op = 0, .kernel = 1, .output = 1, .name = "add", .name_bytes = 3},
    {.macs = 20, .op = 3, .kernel = 2, .output = 2, .name = "layer1.0\x1b[31m", .name_bytes = 13},
    {.macs = 3000, .op = 999, .kernel = 3, .output = 3, .name = "turn round", .name_bytes = 10},
};

static uint64_t now;
static bool fails;
static bool at_end;

static eq_status fault(eq_engine *e, eq_status status, const char *what, uint32_t step, uint32_t value) {
    e->fault = (eq_fault){status, what, step, value};
    return status;
}

eq_status eq_engine_run(eq_engine *e, uint32_t steps, eq_observer observer, void *ctx) {
    int8_t *x = e->arena;
    for (uint32_t step = 0; step < (steps ? steps : STEPS); step++) {
        if (fails && step == 1) return fault(e, EQ_MAP_FAILED, "no window", step, 77);
        for (uint32_t i = 0; i < SIZE; i++) {
            if (step == 0) x[i] = (int8_t)(x[i] + 1);
            if (step == 1) x[i] = (int8_t)(2 * x[i]);
        }
        for (uint32_t i = 0; step == 2 && i < SIZE / 2; i++) {
            int8_t t = x[i];
            x[i] = x[SIZE - 1 - i];
            x[SIZE - 1 - i] = t;
        }
        now += 100 * (step + 1);
        e->step_output = x;
        e->step_output_bytes = SIZE;
        if (!observer(ctx, step, x, SIZE)) break;
    }
    return EQ_OK;
}

int8_t *eq_engine_input(const eq_engine *e, uint32_t *bytes) {
    *bytes = SIZE;
    return e->arena;
}

const int8_t *eq_engine_output(const eq_engine *e, uint32_t *bytes) {
    *bytes = SIZE;
    return e->arena;
}

eq_status eq_engine_tensor(const eq_engine *e, uint32_t index, eq_tensor *out) {
    (void)e;
    if (index > STEPS) return EQ_OUT_OF_RANGE;
    *out = (eq_tensor){.bytes = SIZE, .scale = 0.5f, .zero_point = index ? 3 : -128, .dims = {1, 2, 2, 2}};
    return EQ_OK;
}

eq_status eq_engine_step(const eq_engine *e, uint32_t index, eq_step *out) {
    (void)e;
    if (index >= STEPS) return EQ_OUT_OF_RANGE;
    *out = step_table[index];
    return EQ_OK;
}

eq_status eq_engine_golden_load(eq_engine *e, uint32_t index) {
    if (index >= e->golden_count) return fault(e, EQ_OUT_OF_RANGE, "golden sample", 0, index);
    memcpy(e->arena, golden_input, SIZE);
    return EQ_OK;
}

eq_status eq_engine_golden_check(eq_engine *e, uint32_t index, bool *equal, uint32_t *first_difference) {
    if (index >= e->golden_count) return fault(e, EQ_OUT_OF_RANGE, "golden sample", 0, index);
    *equal = true;
    for (uint32_t i = SIZE; i-- > 0;)
        if (e->arena[i] != golden_output[index][i]) {
            *equal = false;
            *first_difference = i;
        }
    return EQ_OK;
}

static const char *toy_version(void) {
    return "a toy";
}

static const eq_engine_kind toy = {.name = "toy", .version = toy_version};
static const eq_engine_kind other = {.name = "other", .version = toy_version};
static const eq_engine_kind *const kinds[] = {&toy, &other, NULL};

eq_status eq_engine_choose(eq_engine *e, const char *name, uint32_t name_bytes) {
    for (uint32_t i = 0; kinds[i]; i++)
        if (strlen(kinds[i]->name) == name_bytes && memcmp(kinds[i]->name, name, name_bytes) == 0) {
            e->kind = kinds[i];
            return EQ_OK;
        }
    return fault(e, EQ_OUT_OF_RANGE, "no such engine", 0, 0);
}

bool eq_engine_kernel(uint32_t index, const char **name, uint32_t *id, uint32_t *version) {
    static const char *const names[] = {"conv2d_s8", "add_s8"};
    if (index >= 2) return false;
    *name = names[index];
    *id = index + 1;
    *version = 1;
    return true;
}

const char *eq_status_text(eq_status status) {
    return status == EQ_NO_MODEL ? "no model" : status == EQ_BAD_PLAN ? "bad plan" : "other";
}

static uint32_t hal_read(void *ctx, uint8_t *buf, uint32_t capacity) {
    (void)ctx;
    ssize_t n = read(STDIN_FILENO, buf, capacity);
    at_end = n <= 0;
    return at_end ? 0 : (uint32_t)n;
}

static void hal_write(void *ctx, const uint8_t *buf, uint32_t bytes) {
    (void)ctx;
    fwrite(buf, 1, bytes, stdout);
    fflush(stdout);
}

static uint64_t hal_clock(void *ctx) {
    (void)ctx;
    return now;
}

static void hal_reboot(void *ctx) {
    (void)ctx;
}

int main(int argc, char **argv) {
    static int8_t arena[SIZE];
    const char *wrong = argc > 1 ? argv[1] : "none";
    eq_hal hal = {.board = "toy",
                  .kind = "host",
                  .port = "test",
                  .clock_unit = "ticks",
                  .clock_hz = 1000,
                  .read = hal_read,
                  .write = hal_write,
                  .clock = hal_clock,
                  .reboot = hal_reboot};
    eq_engine e = {.kinds = kinds,
                   .kind = &toy,
                   .hal = &hal,
                   .arena = arena,
                   .arena_capacity = SIZE,
                   .arena_bytes = SIZE,
                   .scratch_bytes = 16,
                   .scratch_capacity = 32,
                   .image_bytes = 4096,
                   .steps = STEPS,
                   .golden_count = strcmp(wrong, "no-goldens") ? 2 : 0,
                   .output = STEPS,
                   .open = true,
                   .name = "toy \xc3\xa9"};
    memset(e.sha256, 0xAB, sizeof e.sha256);
    fails = strcmp(wrong, "fails") == 0;
    if (strcmp(wrong, "no-model") == 0) {
        e.open = false;
        fault(&e, EQ_NO_MODEL, NULL, 0, 0);
    }
    if (strcmp(wrong, "refused") == 0) {
        e.open = false;
        fault(&e, EQ_BAD_PLAN, "tensor above the arena", 7, 4711);
    }
    while (!at_end) eq_console_run(&hal, &e);
    return 0;
}
