#include <stddef.h>

#include "model.h"
#include "model_image.h"

static const uint8_t *map(void *ctx, uint32_t offset, uint32_t bytes) {
    (void)ctx;
    if (offset > eq_model_image_bytes || bytes > eq_model_image_bytes - offset) return NULL;
    return eq_model_image + offset;
}

/* The array is part of the application, which is mapped as long as it runs. */
static void unmap(void *ctx, const uint8_t *window) {
    (void)ctx;
    (void)window;
}

void model_open(eq_hal *hal) {
    hal->model_partition_bytes = eq_model_image_bytes;
    hal->map = map;
    hal->unmap = unmap;
}
