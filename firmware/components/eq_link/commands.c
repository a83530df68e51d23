#include <string.h>

#include "eq_console.h"
#include "eq_server.h"

static bool has_model(const eq_console *console, const eq_text *out) {
    const eq_engine *engine = console->inference->engine;
    if (engine->open) return true;
    eq_text_str(out, "no model: ");
    eq_text_fault(out, &engine->fault);
    eq_text_str(out, "\r\n");
    return false;
}

static bool failed(const eq_console *console, const eq_text *out, eq_status status) {
    if (status == EQ_OK) return false;
    eq_text_str(out, "failed: ");
    eq_text_fault(out, &console->inference->engine->fault);
    eq_text_str(out, "\r\n");
    return true;
}

static void help(eq_console *console, const eq_text *out, const char *arguments) {
    (void)console, (void)arguments;
    for (const eq_command *c = eq_commands; c->name; c++) {
        eq_text_left(out, c->name, 10);
        eq_text_left(out, c->arguments, 8);
        eq_text_str(out, c->help);
        eq_text_str(out, "\r\n");
    }
}

static void info(eq_console *console, const eq_text *out, const char *arguments) {
    (void)arguments;
    eq_info(out, console->inference->hal, console->inference->engine, true);
}

/* A number of 1..EQ_BENCH_MAX, or 0 if it is none. */
static uint32_t count(const char *s) {
    uint32_t value = 0;
    for (; *s >= '0' && *s <= '9' && value <= EQ_BENCH_MAX; s++) value = 10 * value + (uint32_t)(*s - '0');
    while (*s == ' ') s++;
    return *s == 0 && value <= EQ_BENCH_MAX ? value : 0;
}

static void bench(eq_console *console, const eq_text *out, const char *arguments) {
    eq_inference *inf = console->inference;
    uint32_t n = *arguments ? count(arguments) : EQ_BENCH_DEFAULT;
    if (n == 0) {
        eq_text_str(out, "bench takes a number from 1 to 1000\r\n");
        return;
    }
    if (!has_model(console, out)) return;
    (void)failed(console, out, eq_console_bench(inf, out, n));
}

enum { STEP_WIDTH = 4, NAME_WIDTH = 32, OP_WIDTH = 17, MACS_WIDTH = 11, TICKS_WIDTH = 14, SHARE_WIDTH = 7 };

static void profile(eq_console *console, const eq_text *out, const char *arguments) {
    (void)arguments;
    eq_inference *inf = console->inference;
    if (!has_model(console, out)) return;
    uint64_t total, macs = 0;
    eq_status status = eq_inference_sample(inf);
    if (status == EQ_OK) status = eq_inference_run(inf, EQ_RUN_PROFILE, 0, NULL, NULL, &total);
    if (failed(console, out, status)) return;

    uint32_t name_width = 4;
    eq_step step;
    for (uint32_t i = 0; i < inf->profiled; i++) {
        if (failed(console, out, eq_engine_step(inf->engine, i, &step))) return;
        if (step.name_bytes > name_width) name_width = step.name_bytes;
    }
    if (name_width > NAME_WIDTH) name_width = NAME_WIDTH;

    eq_text_str(out, "step  ");
    eq_text_left(out, "name", name_width + 2);
    eq_text_left(out, "op", OP_WIDTH);
    eq_text_right(out, "macs", MACS_WIDTH);
    eq_text_right(out, inf->hal->clock_unit, TICKS_WIDTH);
    eq_text_right(out, "share", SHARE_WIDTH);
    eq_text_str(out, "\r\n");
    for (uint32_t i = 0; i < inf->profiled; i++) {
        if (failed(console, out, eq_engine_step(inf->engine, i, &step))) return;
        macs += step.macs;
        eq_text_u64(out, i, STEP_WIDTH);
        eq_text_str(out, "  ");
        eq_text_name_column(out, step.name, step.name_bytes, name_width);
        eq_text_str(out, "  ");
        eq_text_op(out, step.op, OP_WIDTH);
        eq_text_u64(out, step.macs, MACS_WIDTH);
        eq_text_u64(out, inf->ticks[i], TICKS_WIDTH);
        eq_text_percent(out, total ? (uint32_t)((inf->ticks[i] * 1000 + total / 2) / total) : 0, SHARE_WIDTH);
        eq_text_str(out, "\r\n");
    }
    eq_text_left(out, "all", 6 + name_width + 2 + OP_WIDTH);
    eq_text_u64(out, macs, MACS_WIDTH);
    eq_text_u64(out, total, TICKS_WIDTH);
    eq_text_str(out, "\r\n");
}

static void selftest(eq_console *console, const eq_text *out, const char *arguments) {
    (void)arguments;
    eq_inference *inf = console->inference;
    if (!has_model(console, out)) return;
    uint32_t goldens = inf->engine->golden_count, equals = 0;
    for (uint32_t i = 0; i < goldens; i++) {
        uint64_t ticks;
        bool equal;
        uint32_t first_difference;
        eq_status status = eq_inference_golden(inf, i);
        if (status == EQ_OK) status = eq_inference_run(inf, 0, 0, NULL, NULL, &ticks);
        if (status == EQ_OK) status = eq_engine_golden_check(inf->engine, i, &equal, &first_difference);
        if (failed(console, out, status)) return;
        eq_text_str(out, "golden ");
        eq_text_u64(out, i, 3);
        if (equal) {
            equals++;
            eq_text_str(out, "  equal\r\n");
        } else {
            eq_text_str(out, "  DIFFERS from byte ");
            eq_text_u64(out, first_difference, 0);
            eq_text_str(out, "\r\n");
        }
    }
    eq_text_u64(out, equals, 0);
    eq_text_str(out, " of ");
    eq_text_u64(out, goldens, 0);
    eq_text_str(out, " golden samples equal\r\n");
}

static void engine(eq_console *console, const eq_text *out, const char *arguments) {
    eq_inference *inf = console->inference;
    uint32_t bytes = 0;
    while (arguments[bytes] && arguments[bytes] != ' ') bytes++;
    if (bytes && failed(console, out, eq_inference_choose(inf, arguments, bytes))) return;
    eq_text_str(out, "engine ");
    eq_text_str(out, inf->engine->kind->name);
    eq_text_str(out, " (");
    eq_text_str(out, inf->engine->kind->version());
    eq_text_str(out, ")\r\n");
}

static void reboot(eq_console *console, const eq_text *out, const char *arguments) {
    (void)out, (void)arguments;
    console->reboot = true;
}

const eq_command eq_commands[] = {
    {"help", "", "this list", help},
    {"info", "", "firmware, board, clock, kernels, model", info},
    {"bench", "[N]", "time N inferences (10 if not given, at most 1000): figures, memory, layers by cost",
     bench},
    {"profile", "", "time each step of one inference", profile},
    {"selftest", "", "run the golden samples and compare every byte", selftest},
    {"engine", "[NAME]", "which engine runs the model, or choose one of `info`", engine},
    {"reboot", "", "restart the board", reboot},
    {NULL, NULL, NULL, NULL},
};
