/* Integrity: CRC-32 (IEEE 802.3, as zlib) and SHA-256 (FIPS 180-4). */
#ifndef EQ_CHECK_H
#define EQ_CHECK_H

#include <stddef.h>
#include <stdint.h>

/* crc of nothing is 0; feed the result back in to continue. */
uint32_t eq_crc32(uint32_t crc, const uint8_t *data, size_t bytes);

typedef struct eq_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} eq_sha256;

void eq_sha256_init(eq_sha256 *s);
void eq_sha256_update(eq_sha256 *s, const uint8_t *data, size_t bytes);
void eq_sha256_final(eq_sha256 *s, uint8_t digest[32]);

#endif
