#include "console.h"

#include <stddef.h>

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { STOPPED_BY_APPLICATION = 0x20026 };
enum { MODE_READ = 0, MODE_WRITE = 4 };
enum { PIECE = 4096 };

int32_t semihost(uint32_t number, const uint32_t *arguments);

/* The console as a file: what it is opened for decides whether it is stdin or stdout. */
static uint32_t console(uint32_t mode) {
    static int32_t handles[2]; /* plus one; 0 while not open */
    int32_t *handle = &handles[mode == MODE_WRITE];
    const uint32_t arguments[] = {(uint32_t)(uintptr_t)":tt", mode, 3};
    if (!*handle) *handle = semihost(SYS_OPEN, arguments) + 1;
    if (!*handle) halt(EXIT_PANIC);
    return (uint32_t)*handle - 1;
}

/* Both calls answer how many bytes are left. */
void console_write(const uint8_t *bytes, uint32_t count) {
    while (count) {
        const uint32_t arguments[] = {console(MODE_WRITE), (uint32_t)(uintptr_t)bytes, count};
        uint32_t left = (uint32_t)semihost(SYS_WRITE, arguments);
        if (left >= count) halt(EXIT_PANIC);
        bytes += count - left;
        count = left;
    }
}

uint32_t console_read(uint8_t *bytes, uint32_t capacity) {
    uint32_t count = capacity < PIECE ? capacity : PIECE;
    const uint32_t arguments[] = {console(MODE_READ), (uint32_t)(uintptr_t)bytes, count};
    uint32_t left = (uint32_t)semihost(SYS_READ, arguments);
    return left > count ? 0 : count - left;
}

_Noreturn void halt(int status) {
    const uint32_t arguments[] = {STOPPED_BY_APPLICATION, (uint32_t)status};
    for (;;) semihost(SYS_EXIT_EXTENDED, arguments);
}
