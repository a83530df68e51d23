/* The firmware on a real board: wires the parts together and decides nothing. */
#include "arena.h"
#include "eq_engine.h"
#include "eq_link.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "hal.h"
#include "sdkconfig.h"
#if CONFIG_EQ_ENGINE_TFLM
#include "eq_tflm.h"
#endif

static const eq_engine_kind *const ENGINES[] = {
#if CONFIG_EQ_ENGINE_NATIVE
    &eq_native,
#endif
#if CONFIG_EQ_ENGINE_TFLM
    &eq_tflm,
#endif
    NULL,
};

/* Ends only with a reboot. */
static void run(void *unused) {
    (void)unused;
    static eq_engine engine;
    const eq_hal *hal = hal_open();
    (void)eq_engine_open(&engine, ENGINES, hal, eq_arena, sizeof eq_arena, eq_scratch, sizeof eq_scratch);
    eq_console_run(hal, &engine);
    hal->reboot(hal->ctx);
}

/* On the last core: core 1 of two, which nothing else uses. Above the idle task alone, so that the system's
 * own tasks come first where there is one core. */
void app_main(void) {
    static StaticTask_t task;
    static StackType_t stack[CONFIG_EQ_TASK_STACK_BYTES];
    (void)xTaskCreateStaticPinnedToCore(run, "edgeq", sizeof stack, NULL, tskIDLE_PRIORITY + 1, stack, &task,
                                        portNUM_PROCESSORS - 1);
}
