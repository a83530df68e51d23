/* Text without printf: it goes piece by piece into a sink. No floating point. */
#ifndef EQ_TEXT_H
#define EQ_TEXT_H

#include <stdint.h>

#include "eq_engine.h"

typedef struct eq_text {
    void (*write)(void *ctx, const uint8_t *bytes, uint32_t n);
    void *ctx;
} eq_text;

void eq_text_str(const eq_text *out, const char *s);
void eq_text_u64(const eq_text *out, uint64_t value, uint32_t width);        /* right-aligned */
void eq_text_count(const eq_text *out, uint64_t value, uint32_t width);      /* "1,234,567", right-aligned */
void eq_text_percent(const eq_text *out, uint32_t permille, uint32_t width); /* "12.3%", right-aligned */
void eq_text_left(const eq_text *out, const char *s, uint32_t width);
void eq_text_right(const eq_text *out, const char *s, uint32_t width);

/* A name from outside: control characters become '?'. */
void eq_text_name(const eq_text *out, const char *name, uint32_t bytes);
/* The same as a column: left-aligned, cut to the width, and ASCII only, so that columns stay columns. */
void eq_text_name_column(const eq_text *out, const char *name, uint32_t bytes, uint32_t width);

/* "bad plan: tensor above the arena (step 3, value 99)" */
void eq_text_fault(const eq_text *out, const eq_fault *fault);
/* "CONV_2D", or the builtin code as a number. */
void eq_text_op(const eq_text *out, uint32_t op, uint32_t width);

/* A sink that keeps the bytes [skip, skip + capacity) of what is written and counts them all. */
typedef struct eq_window {
    uint8_t *bytes;
    uint32_t capacity, skip;
    uint32_t total;
} eq_window;

eq_text eq_window_text(eq_window *window);
uint32_t eq_window_kept(const eq_window *window);

#endif
