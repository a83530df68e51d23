/* Reading a number from flash, where it is little-endian and may lie anywhere. */
#ifndef EQ_U32LE_H
#define EQ_U32LE_H

#include <stdint.h>

static inline uint32_t eq_u32le(const uint8_t *p) {
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

#endif
