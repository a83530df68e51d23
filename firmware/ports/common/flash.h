/* A flash array that is plain readable memory, and the model slot in it that runs. */
#ifndef EQ_FLASH_H
#define EQ_FLASH_H

#include "partition_table.h"

typedef struct eq_flash {
    const uint8_t *base;
    eq_partition model;
} eq_flash;

eq_flash eq_flash_open(const uint8_t *base, uint32_t bytes);

/* eq_hal's callbacks; ctx is the eq_flash. */
const uint8_t *eq_flash_map(void *ctx, uint32_t offset, uint32_t bytes);
void eq_flash_unmap(void *ctx, const uint8_t *window);

#endif
