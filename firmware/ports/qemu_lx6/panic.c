/* The last words of a board: one line that names the exception and where it happened. */
#include <string.h>

#include "simcall.h"

_Noreturn void panic(uint32_t cause, uint32_t pc, uint32_t address);
_Noreturn void abort(void);

static char *append(char *at, const char *text) {
    size_t bytes = strlen(text);
    memcpy(at, text, bytes);
    return at + bytes;
}

static char *append_hex(char *at, uint32_t value) {
    at = append(at, "0x");
    for (int shift = 28; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[value >> shift & 15];
    return at;
}

static char *append_decimal(char *at, uint32_t value) {
    char digits[10];
    uint32_t count = 0;
    do digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count) *at++ = digits[--count];
    return at;
}

/* `address` is what a load, store or fetch went for; it means nothing for other causes. */
_Noreturn void panic(uint32_t cause, uint32_t pc, uint32_t address) {
    char line[96], *end = append(line, "\r\npanic: EXCCAUSE ");
    end = append_decimal(end, cause);
    end = append_hex(append(end, " EPC "), pc);
    end = append_hex(append(end, " EXCVADDR "), address);
    end = append(end, "\r\n");
    console_write((const uint8_t *)line, (uint32_t)(end - line));
    halt(EXIT_PANIC);
}

/* Where the compiler puts __builtin_trap. ILL raises the exception that ends in panic. */
_Noreturn void abort(void) {
    for (;;) __asm__ volatile(".byte 0, 0, 0");
}
