/* The firmware on an emulated Xtensa core: the flash array is memory, the console is SIMCALL. */
#include <string.h>

#include "app.h"
#include "app_image.h"
#include "ccount.h"
#include "flash.h"
#include "simcall.h"

static const uint8_t *const FLASH = (const uint8_t *)0x04000000;

extern uint8_t bss_start[], bss_end[];
int main(void);

static uint32_t hal_read(void *ctx, uint8_t *buf, uint32_t capacity) {
    (void)ctx;
    return console_read(buf, capacity);
}

static void hal_write(void *ctx, const uint8_t *buf, uint32_t bytes) {
    (void)ctx;
    console_write(buf, bytes);
}

static uint64_t hal_clock(void *ctx) {
    (void)ctx;
    return instructions();
}

static void hal_reboot(void *ctx) {
    (void)ctx;
    halt(EXIT_REBOOT);
}

int main(void) {
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    ccount_synchronise();
    eq_flash flash = eq_flash_open(FLASH, EQ_FLASH_BYTES);
    const eq_hal hal = {
        .ctx = &flash,
        .board = EQ_BOARD,
        .kind = "emulated",
        .port = "qemu_lx6",
        .clock_unit = "instructions",
        .read = hal_read,
        .write = hal_write,
        .clock = hal_clock,
        .model_partition_bytes = flash.model.bytes,
        .map = eq_flash_map,
        .unmap = eq_flash_unmap,
        .reboot = hal_reboot,
        .app_sha256 = eq_app_sha256(FLASH, EQ_FLASH_BYTES),
        .virtual_pins = true,
    };
    const eq_engine_kind *const engines[] = {&eq_native, NULL};
    eq_app_run(&hal, engines);
    return EXIT_END_OF_STREAM;
}
