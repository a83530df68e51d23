#include "facts.h"

#include "esp_heap_caps.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

static uint32_t heap_low_water(void) {
    return (uint32_t)heap_caps_get_minimum_free_size(MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
}

/* Of the task that asks, the engine's. ESP-IDF counts stacks in bytes. */
static uint32_t stack_low_water(void) {
    return (uint32_t)uxTaskGetStackHighWaterMark(NULL);
}

static const struct {
    const char *name;
    uint32_t (*value)(void);
} FACTS[] = {
    {"heap_low_water_bytes", heap_low_water},
    {"stack_low_water_bytes", stack_low_water},
};

bool facts_get(void *ctx, uint32_t index, const char **name, uint32_t *value) {
    (void)ctx;
    if (index >= sizeof FACTS / sizeof FACTS[0]) return false;
    *name = FACTS[index].name;
    *value = FACTS[index].value();
    return true;
}
