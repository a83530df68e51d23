#include "simcall.h"

enum { SYS_EXIT = 1, SYS_READ = 3, SYS_WRITE = 4 };
enum { STDIN = 0, STDOUT = 1 };
enum { EINTR = 4, EAGAIN = 11 };
enum { PAGE_BYTES = 4096 };

uint64_t simcall(uint32_t number, uint32_t a3, uint32_t a4, uint32_t a5);

/* Bytes moved, 0 at the end of the stream or on an error that stays. */
static uint32_t transfer(uint32_t number, uint32_t descriptor, const uint8_t *bytes, uint32_t count) {
    for (;;) {
        uint64_t answer = simcall(number, descriptor, (uint32_t)(uintptr_t)bytes, count);
        int32_t moved = (int32_t)answer, error = (int32_t)(answer >> 32);
        if (moved >= 0) return (uint32_t)moved;
        if (error != EINTR && error != EAGAIN) return 0;
    }
}

void console_write(const uint8_t *bytes, uint32_t count) {
    while (count) {
        uint32_t moved = transfer(SYS_WRITE, STDOUT, bytes, count);
        if (moved == 0) halt(EXIT_END_OF_STREAM);
        bytes += moved;
        count -= moved;
    }
}

/* The emulator reads page by page, and waits for the next page's bytes once the first is full: ask for one
 * page. */
uint32_t console_read(uint8_t *bytes, uint32_t capacity) {
    uint32_t page_rest = PAGE_BYTES - ((uint32_t)(uintptr_t)bytes & (PAGE_BYTES - 1));
    return transfer(SYS_READ, STDIN, bytes, capacity < page_rest ? capacity : page_rest);
}

_Noreturn void halt(int status) {
    for (;;) simcall(SYS_EXIT, (uint32_t)status, 0, 0);
}
