/* The native engine on an emulated core, for tests that batch many models; engine_host.c's records.
 *
 *   stdin: records of u32 image bytes, image, u32 runs, runs x input
 *   stdout: for each u32 status; if it is 0: runs x each step's output
 *
 * With the highest bit of runs set, each run gives a u64 count of its instructions and the last step's
 * output. The image lies where the board's flash does, on a 16-byte boundary. */
#include <string.h>

#include "console.h"
#include "eq_check.h"
#include "eq_engine.h"

int main(void);

enum { ARENA = 16 << 20, SCRATCH = 96 << 10, MOST = 32 << 20 };

static uint8_t *const IMAGE = (uint8_t *)IMAGE_ADDRESS;
static _Alignas(16) int8_t arena[ARENA];
static _Alignas(16) uint8_t scratch[SCRATCH];

static bool read_all(void *data, uint32_t bytes) {
    uint8_t *at = data;
    while (bytes) {
        uint32_t count = console_read(at, bytes);
        if (!count) return false;
        at += count;
        bytes -= count;
    }
    return true;
}

static const uint8_t *map(void *ctx, uint32_t offset, uint32_t bytes) {
    (void)ctx, (void)bytes;
    return IMAGE + offset;
}

static void unmap(void *ctx, const uint8_t *window) {
    (void)ctx, (void)window;
}

static bool write_step(void *ctx, uint32_t step, const int8_t *output, uint32_t bytes) {
    (void)ctx, (void)step;
    console_write((const uint8_t *)output, bytes);
    return true;
}

static const eq_engine_kind *const kinds[] = {&eq_native, NULL};

static bool count_run(eq_engine *engine) {
    uint64_t before = instructions();
    eq_status status = eq_engine_run(engine, 0, NULL, NULL);
    uint64_t count = instructions() - before;
    uint32_t bytes;
    const int8_t *output = eq_engine_output(engine, &bytes);
    console_write((const uint8_t *)&count, sizeof count);
    console_write((const uint8_t *)output, bytes);
    return status == EQ_OK;
}

/* False where the records end too early. */
static bool serve(uint32_t bytes) {
    uint32_t runs;
    if (bytes > MOST || !read_all(IMAGE, bytes) || !read_all(&runs, 4)) return false;
    eq_hal hal = {.model_partition_bytes = bytes, .map = map, .unmap = unmap};
    eq_engine engine;
    uint32_t status = eq_engine_open(&engine, kinds, &hal, arena, ARENA, scratch, SCRATCH);
    console_write((const uint8_t *)&status, 4);
    if (status != EQ_OK) return false;
    for (uint32_t i = 0; i < (runs & INT32_MAX); i++) {
        uint32_t size;
        int8_t *input = eq_engine_input(&engine, &size);
        if (!read_all(input, size)) return false;
        if (runs >> 31 ? !count_run(&engine) : eq_engine_run(&engine, 0, write_step, NULL) != EQ_OK)
            return false;
    }
    eq_engine_close(&engine);
    return true;
}

int main(void) {
    console_start();
    for (uint32_t bytes; read_all(&bytes, 4);)
        if (!serve(bytes)) return EXIT_PANIC;
    return EXIT_END_OF_STREAM;
}
