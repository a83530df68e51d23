#include "pins.h"

#include <stdatomic.h>

#include "driver/gpio.h"
#include "sdkconfig.h"

static atomic_bool edge;

static void on_edge(void *unused) {
    (void)unused;
    atomic_store(&edge, true);
}

bool pins_has_trigger(void) {
    return CONFIG_EQ_TRIGGER_GPIO >= 0;
}

static void open_trigger(gpio_num_t pin) {
    gpio_config_t config = {
        .pin_bit_mask = 1ULL << pin,
        .mode = GPIO_MODE_INPUT,
        .pull_down_en = GPIO_PULLDOWN_ENABLE,
        .intr_type = GPIO_INTR_POSEDGE,
    };
    ESP_ERROR_CHECK(gpio_config(&config));
    ESP_ERROR_CHECK(gpio_install_isr_service(0));
    ESP_ERROR_CHECK(gpio_isr_handler_add(pin, on_edge, NULL));
}

static void open_done(gpio_num_t pin) {
    gpio_config_t config = {.pin_bit_mask = 1ULL << pin, .mode = GPIO_MODE_OUTPUT};
    ESP_ERROR_CHECK(gpio_set_level(pin, 0));
    ESP_ERROR_CHECK(gpio_config(&config));
}

void pins_open(void) {
    if (pins_has_trigger()) open_trigger((gpio_num_t)CONFIG_EQ_TRIGGER_GPIO);
    if (CONFIG_EQ_DONE_GPIO >= 0) open_done((gpio_num_t)CONFIG_EQ_DONE_GPIO);
}

bool pins_edge_waits(void) {
    return atomic_load(&edge);
}

bool pins_trigger_pending(void *ctx) {
    (void)ctx;
    return atomic_exchange(&edge, false);
}

void pins_set_done(void *ctx, bool high) {
    (void)ctx;
    if (CONFIG_EQ_DONE_GPIO >= 0) (void)gpio_set_level((gpio_num_t)CONFIG_EQ_DONE_GPIO, high);
}
