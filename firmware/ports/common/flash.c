#include "flash.h"

#include <stddef.h>

eq_flash eq_flash_open(const uint8_t *base, uint32_t bytes) {
    return (eq_flash){base,
                      eq_partition_find(base, bytes, EQ_PARTITION_TYPE_DATA, EQ_PARTITION_SUBTYPE_MODEL)};
}

const uint8_t *eq_flash_map(void *ctx, uint32_t offset, uint32_t bytes) {
    const eq_flash *flash = ctx;
    if (offset > flash->model.bytes || bytes > flash->model.bytes - offset) return NULL;
    return flash->base + flash->model.offset + offset;
}

/* All of the flash is memory all the time: nothing to give back. */
void eq_flash_unmap(void *ctx, const uint8_t *window) {
    (void)ctx;
    (void)window;
}
