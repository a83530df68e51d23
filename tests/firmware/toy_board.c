/* A board for test_eq_link.py: eq_link with a toy engine and a clock that only the engine moves.
 *
 * The model has 8 bytes of input and three steps: add 1, double, reverse. Step k takes 100 * (k + 1) ticks.
 * Golden sample 0 is right, golden sample 1 differs at byte 5. argv[1] says what is wrong with the board:
 * "none", "no-model", "refused", "no-goldens", "fails" (in step 1), "no-pictures", "bad-pictures" (their
 * section is damaged), "varies" (run n, from 0, takes n * n % 97 ticks more) or "pin": the trigger is a pin,
 * and each '^' on the console stands for an edge of it. A picture of at most 24 bytes has room. Preprocessing
 * is nearest, and keeps a pixel's value less 128. The console is stdin and stdout. A reboot starts the
 * console anew. */
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

/* Behind each other, as in a model image. */
static const uint8_t flash[] = {
    1,   0,   0,   1,   2,    0,    4,    0,    0,   0,      0x7F, 0x43, 0,
    0,   0,   0,                                                      /* nearest to 2 x 4 x 1, white 255 */
    0,   0,   0,   0,   0,    0x20, 0xE0, 0xFF, 0,   0,      0x40, 0, /* -127.5 * 2^46, 2^22 */
    'z', 'e', 'r', 'o', '\n', 0xC3, 0xA9, '\n', 'e', '\x1b', '[',  '3',  'm', /* labels */
};
enum { SECTION = 28 };

static uint8_t room[24];
static uint64_t now;
static bool edge;
static bool fails, varies;
static uint64_t runs;
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
        if (varies && step == STEPS - 1) now += runs * runs % 97, runs++;
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

uint8_t *eq_engine_room(const eq_engine *e, uint32_t *bytes) {
    (void)e;
    *bytes = sizeof room;
    return room;
}

const int8_t *eq_engine_output(const eq_engine *e, uint32_t *bytes) {
    *bytes = SIZE;
    return e->arena;
}

eq_status eq_engine_tensor(const eq_engine *e, uint32_t index, eq_tensor *out) {
    (void)e;
    if (index > STEPS) return EQ_OUT_OF_RANGE;
    *out = (eq_tensor){.bytes = SIZE, .scale = 0.5f, .zero_point = index ? 3 : -128, .dims = {1, 2, 4, 1}};
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

/* A pin's edge is a character: what came before it is served first, as on a wire. */
static uint32_t hal_read_with_pin(void *ctx, uint8_t *buf, uint32_t capacity) {
    (void)capacity;
    uint32_t n = hal_read(ctx, buf, 1);
    if (n == 0 || buf[0] != '^') return n;
    edge = true;
    return EQ_READ_NOTHING;
}

static bool hal_trigger_pending(void *ctx) {
    (void)ctx;
    bool was = edge;
    edge = false;
    return was;
}

static void hal_set_done(void *ctx, bool high) {
    (void)ctx;
    fputs(high ? "<done>" : "<busy>", stdout);
    fflush(stdout);
}

static const uint8_t *hal_map(void *ctx, uint32_t offset, uint32_t bytes) {
    (void)ctx, (void)bytes;
    return flash + offset;
}

static void hal_unmap(void *ctx, const uint8_t *window) {
    (void)ctx, (void)window;
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
                  .map = hal_map,
                  .unmap = hal_unmap,
                  .reboot = hal_reboot,
                  .virtual_pins = true};
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
                   .preprocess_bytes = SECTION,
                   .labels_offset = SECTION,
                   .labels_bytes = sizeof flash - SECTION,
                   .open = true,
                   .name = "toy \xc3\xa9"};
    memset(e.sha256, 0xAB, sizeof e.sha256);
    fails = strcmp(wrong, "fails") == 0;
    varies = strcmp(wrong, "varies") == 0;
    if (strcmp(wrong, "no-model") == 0) {
        e.open = false;
        fault(&e, EQ_NO_MODEL, NULL, 0, 0);
    }
    if (strcmp(wrong, "refused") == 0) {
        e.open = false;
        fault(&e, EQ_BAD_PLAN, "tensor above the arena", 7, 4711);
    }
    if (strcmp(wrong, "no-pictures") == 0) e.preprocess_bytes = e.labels_bytes = 0;
    if (strcmp(wrong, "bad-pictures") == 0) e.preprocess_offset = 1, e.preprocess_bytes = SECTION - 1;
    if (strcmp(wrong, "pin") == 0) {
        hal.virtual_pins = false;
        hal.read = hal_read_with_pin;
        hal.trigger_pending = hal_trigger_pending;
        hal.set_done = hal_set_done;
    }
    while (!at_end) eq_console_run(&hal, &e);
    return 0;
}
