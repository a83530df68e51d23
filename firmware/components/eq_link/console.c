#include "eq_console.h"

#include <string.h>

#include "eq_link.h"

static eq_text output(const eq_console *console) {
    const eq_hal *hal = console->inference->hal;
    return (eq_text){hal->write, hal->ctx};
}

static void prompt(const eq_text *out) {
    eq_text_str(out, "edgeq> ");
}

void eq_console_banner(eq_console *console) {
    eq_text out = output(console);
    const eq_hal *hal = console->inference->hal;
    const eq_engine *e = console->inference->engine;
    eq_text_str(&out, "\r\nedgeq " EQ_FIRMWARE_VERSION " on ");
    eq_text_str(&out, hal->board);
    eq_text_str(&out, " (");
    eq_text_str(&out, hal->kind);
    eq_text_str(&out, ", ");
    eq_text_str(&out, hal->port);
    eq_text_str(&out, ")\r\n");
    if (e->open) {
        eq_text_str(&out, "model ");
        eq_text_name(&out, e->name, (uint32_t)strlen(e->name));
        eq_text_str(&out, ": ");
        eq_text_u64(&out, e->steps, 0);
        eq_text_str(&out, " steps, arena ");
        eq_text_u64(&out, e->arena_bytes, 0);
        eq_text_str(&out, " of ");
        eq_text_u64(&out, e->arena_capacity, 0);
        eq_text_str(&out, " bytes\r\n");
    } else {
        eq_text_str(&out, "no model: ");
        eq_text_fault(&out, &e->fault);
        eq_text_str(&out, "\r\n");
    }
    eq_text_str(&out, "Type help.\r\n");
    prompt(&out);
}

static void execute(eq_console *console, const eq_text *out) {
    const char *name = console->line;
    while (*name == ' ') name++;
    if (*name == 0) return;
    size_t name_bytes = 0;
    while (name[name_bytes] && name[name_bytes] != ' ') name_bytes++;
    const char *arguments = name + name_bytes;
    while (*arguments == ' ') arguments++;
    for (const eq_command *c = eq_commands; c->name; c++)
        if (strlen(c->name) == name_bytes && memcmp(c->name, name, name_bytes) == 0) {
            c->run(console, out, arguments);
            return;
        }
    eq_text_str(out, "unknown command; type help\r\n");
}

/* True while the byte belongs to an escape sequence. */
static bool escaped(eq_console *console, uint8_t c) {
    switch (console->escape) {
    case 0:
        console->escape = c == 0x1B;
        return console->escape;
    case 1:
        console->escape = c == '[' || c == 'O' ? 2 : 0;
        return true;
    default:
        if (c >= 0x40) console->escape = 0;
        return true;
    }
}

static void end_line(eq_console *console, const eq_text *out) {
    console->line[console->line_bytes] = 0;
    console->line_bytes = 0;
    eq_text_str(out, "\r\n");
    execute(console, out);
    if (!console->reboot) prompt(out);
}

void eq_console_char(eq_console *console, uint8_t c) {
    eq_text out = output(console);
    bool after_cr = console->after_cr;
    console->after_cr = c == '\r';
    if (c == '\r' || (c == '\n' && !after_cr)) {
        console->escape = 0;
        end_line(console, &out);
    } else if (escaped(console, c)) {
        return;
    } else if ((c == 0x08 || c == 0x7F) && console->line_bytes) {
        console->line_bytes--;
        eq_text_str(&out, "\b \b");
    } else if (c >= 0x20 && c < 0x7F && console->line_bytes < EQ_LINE_MAX) {
        console->line[console->line_bytes++] = (char)c;
        out.write(out.ctx, &c, 1);
    }
}
