/* The application's own image in flash. */
#ifndef EQ_APP_IMAGE_H
#define EQ_APP_IMAGE_H

#include <stdint.h>

enum { EQ_APP_SHA256_BYTES = 32 };

/* The SHA-256 at the end of the image in the `factory` partition, which is its name; NULL where there is no
 * such image. It is not computed anew: whoever started the application has checked it. */
const uint8_t *eq_app_sha256(const uint8_t *flash, uint32_t flash_bytes);

#endif
