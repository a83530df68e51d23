#include "app.h"

#include "eq_link.h"

void eq_app_run(const eq_hal *hal, const eq_engine_kind *const *engines) {
    static _Alignas(16) int8_t arena[EQ_ARENA_BYTES];
    static _Alignas(16) uint8_t scratch[EQ_SCRATCH_BYTES];
    static eq_engine engine;
    (void)eq_engine_open(&engine, engines, hal, arena, sizeof arena, scratch, sizeof scratch);
    eq_console_run(hal, &engine);
    eq_engine_close(&engine);
}
