/* Reads flash arrays, each behind its length (u32, little-endian), and prints where the model partition of
 * each lies, and where the SHA-256 of its application. */
#include <stdio.h>
#include <stdlib.h>

#include "app_image.h"
#include "flash.h"

int main(void) {
    uint8_t length[4];
    while (fread(length, 1, 4, stdin) == 4) {
        uint32_t bytes =
            (uint32_t)length[3] << 24 | (uint32_t)length[2] << 16 | (uint32_t)length[1] << 8 | length[0];
        uint8_t *array = malloc(bytes); /* exactly: the address sanitizer sees a read behind it */
        if (!array || fread(array, 1, bytes, stdin) != bytes) return 1;
        eq_flash flash = eq_flash_open(array, bytes);
        uint32_t size = flash.model.bytes;
        printf("%u %u", flash.model.offset, size);
        /* map: all, the end, and what leaves the partition */
        const uint8_t *app = eq_app_sha256(array, bytes);
        volatile uint8_t last = app ? app[EQ_APP_SHA256_BYTES - 1] : 0; /* which must be inside */
        (void)last;
        printf(" %ld", app ? (long)(app - array) : -1L);
        printf(" %d%d%d%d%d\n", eq_flash_map(&flash, 0, size) == array + flash.model.offset,
               eq_flash_map(&flash, size, 0) == array + flash.model.offset + size,
               eq_flash_map(&flash, 1, size) != NULL, eq_flash_map(&flash, size + 1, 0) != NULL,
               eq_flash_map(&flash, 1, UINT32_MAX) != NULL);
        free(array);
    }
    return 0;
}
