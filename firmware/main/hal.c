#include "hal.h"

#include "console.h"
#include "cycles.h"
#include "esp_cpu.h"
#include "esp_partition.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "facts.h"
#include "model.h"
#include "pins.h"
#include "sdkconfig.h"

/* A trigger's edge does not end the wait for a byte, so with a trigger the wait ends every tick. */
static uint32_t hal_read(void *ctx, uint8_t *buf, uint32_t capacity) {
    (void)ctx;
    TickType_t ticks = pins_has_trigger() ? 1 : portMAX_DELAY;
    for (;;) {
        uint32_t got = console_read(buf, capacity, ticks);
        if (got) return got;
        if (pins_edge_waits()) return EQ_READ_NOTHING;
    }
}

static void hal_write(void *ctx, const uint8_t *buf, uint32_t bytes) {
    (void)ctx;
    console_write(buf, bytes);
}

#if CONFIG_PM_ENABLE
#error "the clock must not change while cycles are counted: leave CONFIG_PM_ENABLE off"
#endif

/* Each core has a counter of its own: the engine's task is pinned to one. What interrupts take counts, too.
 */
static uint64_t hal_clock(void *ctx) {
    static cycles last;
    (void)ctx;
    uint64_t us = (uint64_t)esp_timer_get_time();
    return cycles_at(&last, esp_cpu_get_cycle_count(), us, CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ);
}

static void hal_reboot(void *ctx) {
    (void)ctx;
    esp_restart();
}

/* Of the application that runs, there being no other than the factory one; NULL where it cannot be read. */
static const uint8_t *app_sha256(void) {
    static uint8_t digest[32];
    const esp_partition_t *app =
        esp_partition_find_first(ESP_PARTITION_TYPE_APP, ESP_PARTITION_SUBTYPE_APP_FACTORY, NULL);
    return app && esp_partition_get_sha256(app, digest) == ESP_OK ? digest : NULL;
}

const eq_hal *hal_open(void) {
    static eq_hal hal = {
        .board = CONFIG_EQ_BOARD,
        .kind = "real",
        .port = "esp-idf",
        .clock_unit = "cycles",
        .clock_hz = CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ * 1000000u,
        .read = hal_read,
        .write = hal_write,
        .clock = hal_clock,
        .reboot = hal_reboot,
        .fact = facts_get,
    };
    hal.app_sha256 = app_sha256();
    console_open();
    pins_open();
    model_open(&hal);
    if (pins_has_trigger()) {
        hal.trigger_pending = pins_trigger_pending;
        hal.set_done = pins_set_done;
    }
    return &hal;
}
