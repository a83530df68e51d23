#include "eq_server.h"

#include <string.h>

typedef struct page {
    const eq_text *out;
    bool table;
} page;

static void key(const page *p, const char *name) {
    if (p->table)
        eq_text_left(p->out, name, 24);
    else {
        eq_text_str(p->out, name);
        eq_text_str(p->out, "=");
    }
}

static void end(const page *p) {
    eq_text_str(p->out, p->table ? "\r\n" : "\n");
}

static void text(const page *p, const char *name, const char *value) {
    key(p, name);
    eq_text_str(p->out, value);
    end(p);
}

static void number(const page *p, const char *name, uint32_t value) {
    key(p, name);
    eq_text_u64(p->out, value, 0);
    end(p);
}

static void hex(const page *p, const char *name, const uint8_t *bytes, uint32_t count) {
    static const char DIGITS[] = "0123456789abcdef";
    key(p, name);
    for (uint32_t i = 0; i < count; i++)
        eq_text_str(p->out, (const char[]){DIGITS[bytes[i] >> 4], DIGITS[bytes[i] & 15], 0});
    end(p);
}

static void kernels(const page *p) {
    const char *name;
    uint32_t id, version;
    key(p, "kernels");
    for (uint32_t i = 0; eq_engine_kernel(i, &name, &id, &version); i++) {
        if (i) eq_text_str(p->out, p->table ? ", " : ",");
        eq_text_str(p->out, name);
        eq_text_str(p->out, ":");
        eq_text_u64(p->out, version, 0);
    }
    end(p);
}

static void facts(const page *p, const eq_hal *hal) {
    const char *name;
    uint32_t value;
    for (uint32_t i = 0; hal->fact && hal->fact(hal->ctx, i, &name, &value); i++) number(p, name, value);
}

static void engines(const page *p, const eq_engine *engine) {
    key(p, "engines");
    for (const eq_engine_kind *const *kind = engine->kinds; *kind; kind++) {
        if (kind != engine->kinds) eq_text_str(p->out, p->table ? ", " : ",");
        eq_text_str(p->out, (*kind)->name);
    }
    end(p);
}

void eq_info(const eq_text *out, const eq_hal *hal, const eq_engine *engine, bool table) {
    page p = {out, table};
    text(&p, "firmware", EQ_FIRMWARE_VERSION);
    if (hal->app_sha256) hex(&p, "app_sha256", hal->app_sha256, 32);
    text(&p, "board", hal->board);
    text(&p, "kind", hal->kind);
    text(&p, "port", hal->port);
    text(&p, "engine", engine->kind->name);
    engines(&p, engine);
    text(&p, "engine_version", engine->kind->version());
    text(&p, "clock_unit", hal->clock_unit);
    number(&p, "clock_hz", hal->clock_hz);
    kernels(&p);
    number(&p, "arena_capacity", engine->arena_capacity);
    number(&p, "scratch_capacity", engine->scratch_capacity);
    number(&p, "model_slot_bytes", hal->model_partition_bytes);
    facts(&p, hal);
    key(&p, "model");
    if (engine->open)
        eq_text_name(out, engine->name, (uint32_t)strlen(engine->name));
    else
        eq_text_str(out, "none");
    end(&p);
    if (!engine->open) {
        key(&p, "model_error");
        eq_text_fault(out, &engine->fault);
        end(&p);
    }
    text(&p, "trigger", eq_trigger_kind(hal));
    text(&p, "features", "golden,hash,profile,step,picture,label");
}
