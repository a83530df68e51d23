/* `bench` at the console: what the tool's `edgeq bench` tells, from the board itself. */
#include <string.h>

#include "eq_console.h"
#include "eq_link.h"

enum { BINS = 8, BAR = 30, MEMORY_BAR = 24, MEMORY_WIDTH = 14, BYTES_WIDTH = 10 };
enum {
    PAIR_WIDTH = 16,
    NAME_WIDTH = 22,
    KERNEL_WIDTH = 22,
    VALUE_WIDTH = 14,
    MACS_WIDTH = 13,
    SHARE_WIDTH = 7
};

_Static_assert(EQ_BENCH_MAX <= (int)EQ_MAX_STEPS, "bench keeps its samples in the table of the steps' ticks");

typedef struct samples {
    uint64_t *sorted, sum;
    uint32_t count, checked, equal; /* golden samples compared, each once */
} samples;

static void line(const eq_text *out) {
    eq_text_str(out, "\r\n");
}

static void fact(const eq_text *out, const char *name, const char *value) {
    eq_text_left(out, name, PAIR_WIDTH);
    eq_text_str(out, value);
}

/* Golden samples in turn, or zeros; each golden sample is compared the first time it is run. */
static eq_status one_run(eq_inference *inf, uint32_t i, samples *s) {
    uint32_t goldens = inf->engine->golden_count;
    uint64_t ticks;
    eq_status status = goldens ? eq_inference_golden(inf, i % goldens) : eq_inference_sample(inf);
    if (status == EQ_OK) status = eq_inference_run(inf, 0, 0, NULL, NULL, &ticks);
    if (status != EQ_OK) return status;
    s->sum += ticks;
    uint32_t at = i;
    for (; at > 0 && s->sorted[at - 1] > ticks; at--) s->sorted[at] = s->sorted[at - 1];
    s->sorted[at] = ticks;
    if (i >= goldens) return EQ_OK;
    bool equal;
    uint32_t first_difference;
    status = eq_engine_golden_check(inf->engine, i, &equal, &first_difference);
    s->checked++;
    s->equal += status == EQ_OK && equal;
    return status;
}

static void what(const eq_text *out, const eq_inference *inf) {
    const eq_engine *e = inf->engine;
    fact(out, "model", "");
    eq_text_name(out, e->name, (uint32_t)strlen(e->name));
    line(out);
    fact(out, "board", inf->hal->board);
    eq_text_str(out, " (");
    eq_text_str(out, inf->hal->kind);
    if (inf->hal->clock_hz) {
        eq_text_str(out, ", ");
        eq_text_u64(out, inf->hal->clock_hz / 1000000, 0);
        eq_text_str(out, " MHz");
    }
    eq_text_str(out, ")\r\n");
    fact(out, "engine", e->kind->name);
    eq_text_str(out, " (");
    eq_text_str(out, e->kind->version());
    eq_text_str(out, ")\r\n");
    fact(out, "firmware", EQ_FIRMWARE_VERSION "\r\n");
}

static void row(const eq_text *out, const eq_hal *hal, const char *name, uint64_t value) {
    eq_text_left(out, name, PAIR_WIDTH);
    eq_text_count(out, value, VALUE_WIDTH);
    eq_text_str(out, " ");
    eq_text_str(out, hal->clock_unit);
    line(out);
}

/* Nearest rank: the smallest sample that at least `percent` of all samples do not exceed. */
static uint64_t percentile(const samples *s, uint32_t percent) {
    return s->sorted[(s->count * percent + 99) / 100 - 1];
}

static void figures(const eq_text *out, const eq_inference *inf, const samples *s) {
    const eq_hal *hal = inf->hal;
    row(out, hal, "p50", percentile(s, 50));
    row(out, hal, "p90", percentile(s, 90));
    row(out, hal, "p99", percentile(s, 99));
    row(out, hal, "min", s->sorted[0]);
    row(out, hal, "max", s->sorted[s->count - 1]);
    row(out, hal, "mean", s->sum / s->count);
    fact(out, "runs", "");
    eq_text_u64(out, s->count, VALUE_WIDTH);
    line(out);
    fact(out, "golden samples", s->checked ? "" : "none in the model image");
    if (s->checked) {
        eq_text_u64(out, s->equal, 0);
        eq_text_str(out, " of ");
        eq_text_u64(out, s->checked, 0);
        eq_text_str(out, " equal to the byte");
    }
    if (s->checked < inf->engine->golden_count) {
        eq_text_str(out, "; the model image has ");
        eq_text_u64(out, inf->engine->golden_count, 0);
    }
    line(out);
}

static void blocks(const eq_text *out, uint32_t n, uint32_t width) {
    for (uint32_t i = 0; i < width; i++) eq_text_str(out, i < n ? "#" : " ");
}

/* Bins of a whole width from the least run on, as in the tool's report. */
static void histogram(const eq_text *out, const samples *s) {
    uint64_t least = s->sorted[0], spread = s->sorted[s->count - 1] - least;
    if (spread == 0) {
        eq_text_str(out, s->count == 1 ? "one run, which has no spread" : "all runs took exactly the same");
        line(out);
        return;
    }
    uint64_t width = spread / BINS + 1;
    uint32_t counts[BINS] = {0}, bins = (uint32_t)(spread / width) + 1, most = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t bin = (uint32_t)((s->sorted[i] - least) / width);
        if (++counts[bin] > most) most = counts[bin];
    }
    eq_text_right(out, "from", VALUE_WIDTH);
    eq_text_right(out, "runs", 2 + BAR + 6);
    line(out);
    for (uint32_t i = 0; i < bins; i++) {
        uint32_t bar = (counts[i] * BAR + most / 2) / most;
        eq_text_count(out, least + i * width, VALUE_WIDTH);
        eq_text_str(out, "  ");
        blocks(out, bar == 0 && counts[i] ? 1 : bar, BAR);
        eq_text_u64(out, counts[i], 6);
        line(out);
    }
}

static void memory(const eq_text *out, const char *name, uint32_t used, uint32_t capacity) {
    eq_text_left(out, name, MEMORY_WIDTH);
    eq_text_count(out, used, BYTES_WIDTH);
    if (capacity) {
        eq_text_str(out, " of ");
        eq_text_count(out, capacity, 0);
        eq_text_str(out, " bytes [");
        blocks(out, (uint32_t)(((uint64_t)used * MEMORY_BAR + capacity - 1) / capacity), MEMORY_BAR);
        eq_text_str(out, "]");
        eq_text_percent(out, (uint32_t)(((uint64_t)used * 1000 + capacity / 2) / capacity), SHARE_WIDTH);
    } else
        eq_text_str(out, " bytes");
    line(out);
}

static void kernel_column(const eq_text *out, const eq_step *step) {
    const char *name;
    uint32_t id, version;
    for (uint32_t i = 0; step->kernel && eq_engine_kernel(i, &name, &id, &version); i++)
        if (id == step->kernel) {
            eq_text_name_column(out, name, (uint32_t)strlen(name), KERNEL_WIDTH);
            return;
        }
    eq_text_op(out, step->op, KERNEL_WIDTH);
}

/* The step that costs most of those that come behind step `at` in the order of costs, where of equal ones the
 * earlier comes first; at = steps stands before all. */
static uint32_t next_by_cost(const uint64_t *ticks, uint32_t steps, uint32_t at) {
    uint32_t best = steps;
    for (uint32_t i = 0; i < steps; i++) {
        bool behind = at == steps || ticks[i] < ticks[at] || (ticks[i] == ticks[at] && i > at);
        if (behind && (best == steps || ticks[i] > ticks[best])) best = i;
    }
    return best;
}

static eq_status layers(const eq_text *out, const eq_inference *inf, uint64_t total) {
    eq_text_left(out, "layer", NAME_WIDTH + 2);
    eq_text_left(out, "kernel", KERNEL_WIDTH);
    eq_text_right(out, "share", SHARE_WIDTH);
    eq_text_right(out, inf->hal->clock_unit, VALUE_WIDTH);
    eq_text_right(out, "MAC", MACS_WIDTH - 2);
    line(out);
    uint32_t at = inf->profiled;
    for (uint32_t n = 0; n < inf->profiled; n++) {
        at = next_by_cost(inf->ticks, inf->profiled, at);
        eq_step step;
        eq_status status = eq_engine_step(inf->engine, at, &step);
        if (status != EQ_OK) return status;
        eq_text_name_column(out, step.name, step.name_bytes, NAME_WIDTH);
        eq_text_str(out, "  ");
        kernel_column(out, &step);
        eq_text_percent(out, total ? (uint32_t)((inf->ticks[at] * 1000 + total / 2) / total) : 0,
                        SHARE_WIDTH);
        eq_text_count(out, inf->ticks[at], VALUE_WIDTH);
        eq_text_count(out, step.macs, MACS_WIDTH - 2);
        line(out);
    }
    return EQ_OK;
}

eq_status eq_console_bench(eq_inference *inf, const eq_text *out, uint32_t runs) {
    samples s = {.sorted = inf->ticks, .count = runs};
    uint64_t total;
    inf->profiled = 0; /* the table of ticks holds the runs */
    for (uint32_t i = 0; i < runs; i++) {
        eq_status status = one_run(inf, i, &s);
        if (status != EQ_OK) return status;
    }
    what(out, inf);
    figures(out, inf, &s);
    line(out);
    histogram(out, &s);
    line(out);
    memory(out, "arena", inf->engine->arena_bytes, inf->engine->arena_capacity);
    memory(out, "scratch", inf->engine->scratch_bytes, inf->engine->scratch_capacity);
    memory(out, "flash, model", inf->engine->image_bytes, inf->hal->model_partition_bytes);
    line(out);
    eq_status status = eq_inference_sample(inf);
    if (status == EQ_OK) status = eq_inference_run(inf, EQ_RUN_PROFILE, 0, NULL, NULL, &total);
    return status == EQ_OK ? layers(out, inf, total) : status;
}
