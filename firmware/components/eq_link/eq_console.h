/* The console for a person: one line in, text out. */
#ifndef EQ_CONSOLE_H
#define EQ_CONSOLE_H

#include "eq_inference.h"
#include "eq_text.h"

enum { EQ_LINE_MAX = 80, EQ_BENCH_DEFAULT = 10, EQ_BENCH_MAX = 1000 };

typedef struct eq_console {
    eq_inference *inference;
    bool reboot;    /* asked for */
    bool after_cr;  /* so that CR LF is one end of line */
    uint8_t escape; /* where in an escape sequence, as of an arrow key: 0 not, 1 behind ESC, 2 behind ESC [ */
    uint32_t line_bytes;
    char line[EQ_LINE_MAX + 1];
} eq_console;

void eq_console_banner(eq_console *console);
void eq_console_char(eq_console *console, uint8_t c);

/* Times `runs` inferences, at most EQ_BENCH_MAX, and prints what `edgeq bench` does: the golden samples in
 * turn, each compared once. All runs are kept, so percentiles are exact. */
eq_status eq_console_bench(eq_inference *inference, const eq_text *out, uint32_t runs);

typedef struct eq_command {
    const char *name, *arguments, *help;
    void (*run)(eq_console *console, const eq_text *out, const char *arguments);
} eq_command;

/* Ends with a row whose name is NULL. */
extern const eq_command eq_commands[];

#endif
