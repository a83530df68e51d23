#include "app.h"

#include <stddef.h>

#include "eq_engine.h"
#include "eq_link.h"

void eq_app_run(const eq_hal *hal) {
    static _Alignas(16) int8_t arena[EQ_ARENA_BYTES];
    static _Alignas(16) uint8_t scratch[EQ_SCRATCH_BYTES];
    static eq_engine engine;
    static const eq_engine_kind *const kinds[] = {&eq_native, NULL};
    (void)eq_engine_open(&engine, kinds, hal, arena, sizeof arena, scratch, sizeof scratch);
    eq_console_run(hal, &engine);
    eq_engine_close(&engine);
}
