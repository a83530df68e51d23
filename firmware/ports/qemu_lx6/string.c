/* memcpy and its kin, by words where both sides allow it. */
#include <stdint.h>
#include <string.h>

/* Or the compiler would turn these loops into calls of themselves. */
#pragma clang attribute push(__attribute__((no_builtin)), apply_to = function)

typedef uint32_t __attribute__((may_alias)) word;

static inline int same_alignment(const void *a, const void *b) {
    return (((uintptr_t)a ^ (uintptr_t)b) & 3) == 0;
}

static inline size_t bytes_to_word(const void *p, size_t bytes) {
    size_t head = -(uintptr_t)p & 3;
    return head < bytes ? head : bytes;
}

static void copy_bytes(uint8_t *to, const uint8_t *from, size_t bytes) {
    for (; bytes >= 4; to += 4, from += 4, bytes -= 4) {
        uint8_t b0 = from[0], b1 = from[1], b2 = from[2], b3 = from[3];
        to[0] = b0, to[1] = b1, to[2] = b2, to[3] = b3;
    }
    while (bytes--) *to++ = *from++;
}

/* Upwards, so it also serves memmove when `to` lies below `from`: a word is read before anything behind it is
 * written. */
static void copy_up(uint8_t *to, const uint8_t *from, size_t bytes) {
    if (same_alignment(to, from)) {
        size_t head = bytes_to_word(to, bytes);
        copy_bytes(to, from, head);
        to += head, from += head, bytes -= head;
        for (; bytes >= 16; to += 16, from += 16, bytes -= 16) {
            const word *f = (const word *)from;
            word *t = (word *)to;
            t[0] = f[0];
            t[1] = f[1];
            t[2] = f[2];
            t[3] = f[3];
        }
        for (; bytes >= 4; to += 4, from += 4, bytes -= 4) *(word *)to = *(const word *)from;
    }
    copy_bytes(to, from, bytes);
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    copy_up(to, from, bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= bytes) {
        copy_up(t, f, bytes);
        return to;
    }
    if (same_alignment(t, f)) {
        size_t tail = (uintptr_t)(t + bytes) & 3;
        for (; tail && bytes; tail--, bytes--) t[bytes - 1] = f[bytes - 1];
        for (; bytes >= 4; bytes -= 4) *(word *)(t + bytes - 4) = *(const word *)(f + bytes - 4);
    }
    for (; bytes; bytes--) t[bytes - 1] = f[bytes - 1];
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    uint8_t *t = to;
    size_t head = bytes_to_word(t, bytes);
    bytes -= head;
    while (head--) *t++ = (uint8_t)value;
    word filled = (uint8_t)value * 0x01010101u;
    for (; bytes >= 16; t += 16, bytes -= 16) {
        word *w = (word *)t;
        w[0] = filled, w[1] = filled, w[2] = filled, w[3] = filled;
    }
    for (; bytes >= 4; t += 4, bytes -= 4) *(word *)t = filled;
    while (bytes--) *t++ = (uint8_t)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes) {
    const uint8_t *x = a, *y = b;
    if (same_alignment(x, y) && ((uintptr_t)x & 3) == 0)
        for (; bytes >= 4 && *(const word *)x == *(const word *)y; bytes -= 4) x += 4, y += 4;
    for (; bytes; bytes--, x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}

size_t strlen(const char *text) {
    size_t bytes = 0;
    while (text[bytes]) bytes++;
    return bytes;
}

#pragma clang attribute pop
