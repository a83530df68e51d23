#include "eq_text.h"

#include <stdbool.h>
#include <string.h>

static void put(const eq_text *out, const char *s, uint32_t n) {
    if (n) out->write(out->ctx, (const uint8_t *)s, n);
}

static void spaces(const eq_text *out, uint32_t n) {
    for (; n > 8; n -= 8) put(out, "        ", 8);
    put(out, "        ", n);
}

static void right(const eq_text *out, const char *s, uint32_t n, uint32_t width) {
    if (n < width) spaces(out, width - n);
    put(out, s, n);
}

void eq_text_str(const eq_text *out, const char *s) {
    put(out, s, (uint32_t)strlen(s));
}

void eq_text_left(const eq_text *out, const char *s, uint32_t width) {
    uint32_t n = (uint32_t)strlen(s);
    put(out, s, n);
    if (n < width) spaces(out, width - n);
}

void eq_text_right(const eq_text *out, const char *s, uint32_t width) {
    right(out, s, (uint32_t)strlen(s), width);
}

/* Writes the digits to the end of a buffer of 20 and returns where they begin. */
static uint32_t digits(uint64_t value, char buffer[20]) {
    uint32_t at = 20;
    do {
        buffer[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return at;
}

void eq_text_u64(const eq_text *out, uint64_t value, uint32_t width) {
    char buffer[20];
    uint32_t at = digits(value, buffer);
    right(out, buffer + at, 20 - at, width);
}

void eq_text_count(const eq_text *out, uint64_t value, uint32_t width) {
    char plain[20], parted[26];
    uint32_t from = digits(value, plain), to = sizeof parted;
    for (uint32_t at = 20, n = 0; at > from; n++) {
        if (n && n % 3 == 0) parted[--to] = ',';
        parted[--to] = plain[--at];
    }
    right(out, parted + to, (uint32_t)sizeof parted - to, width);
}

void eq_text_percent(const eq_text *out, uint32_t permille, uint32_t width) {
    eq_text_u64(out, permille / 10, width > 3 ? width - 3 : 0);
    char tail[3] = {'.', (char)('0' + permille % 10), '%'};
    put(out, tail, 3);
}

static void clean(const eq_text *out, const char *name, uint32_t bytes, bool ascii) {
    for (uint32_t i = 0; i < bytes; i++) {
        uint8_t c = (uint8_t)name[i];
        bool plain = c >= 0x20 && c != 0x7F && !(ascii && c >= 0x80);
        put(out, plain ? name + i : "?", 1);
    }
}

void eq_text_name(const eq_text *out, const char *name, uint32_t bytes) {
    clean(out, name, bytes, false);
}

void eq_text_name_column(const eq_text *out, const char *name, uint32_t bytes, uint32_t width) {
    uint32_t n = bytes < width ? bytes : width;
    clean(out, name, n, true);
    spaces(out, width - n);
}

void eq_text_fault(const eq_text *out, const eq_fault *fault) {
    eq_text_str(out, eq_status_text(fault->status));
    if (fault->what) {
        eq_text_str(out, ": ");
        eq_text_str(out, fault->what);
    }
    if (fault->step || fault->value) {
        eq_text_str(out, " (step ");
        eq_text_u64(out, fault->step, 0);
        eq_text_str(out, ", value ");
        eq_text_u64(out, fault->value, 0);
        eq_text_str(out, ")");
    }
}

void eq_text_op(const eq_text *out, uint32_t op, uint32_t width) {
    /* BuiltinOperator of the TFLite schema. */
    static const struct {
        uint32_t code;
        const char *name;
    } ops[] = {
        {0, "ADD"},
        {1, "AVERAGE_POOL_2D"},
        {3, "CONV_2D"},
        {4, "DEPTHWISE_CONV_2D"},
        {9, "FULLY_CONNECTED"},
        {17, "MAX_POOL_2D"},
        {22, "RESHAPE"},
        {25, "SOFTMAX"},
        {34, "PAD"},
        {40, "MEAN"},
        {60, "PADV2"},
    };
    for (uint32_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (ops[i].code == op) {
            eq_text_left(out, ops[i].name, width);
            return;
        }
    char buffer[20];
    uint32_t at = digits(op, buffer);
    eq_text_str(out, "op ");
    put(out, buffer + at, 20 - at);
    if (3 + 20 - at < width) spaces(out, width - (3 + 20 - at));
}

static void keep(void *ctx, const uint8_t *bytes, uint32_t n) {
    eq_window *w = ctx;
    for (uint32_t i = 0; i < n; i++, w->total++)
        if (w->total >= w->skip && w->total - w->skip < w->capacity) w->bytes[w->total - w->skip] = bytes[i];
}

eq_text eq_window_text(eq_window *window) {
    return (eq_text){keep, window};
}

uint32_t eq_window_kept(const eq_window *w) {
    uint32_t behind = w->total > w->skip ? w->total - w->skip : 0;
    return behind < w->capacity ? behind : w->capacity;
}
