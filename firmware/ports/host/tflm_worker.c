#define _POSIX_C_SOURCE 200809L
#include "tflm_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eq_image.h"

enum { REQUEST_OPEN = 1, REQUEST_RUN = 2, REQUEST_STEP = 3 };
enum { DONE = 0, REFUSED = 1, TOO_SMALL = 2 };
enum { HEADER = 8, OPENED = 12, TENSOR = 20, STEP = 12, ROW = STEP + TENSOR, TEXT = 200 };
enum { PATIENCE_S = 60 }; /* to open a large model takes seconds */

typedef struct row {
    uint32_t macs, op, name, name_bytes; /* name: where it starts in names */
    eq_tensor output;
} row;

static struct {
    int stream; /* a socket; 0: there is no child, since 0 is the console */
    pid_t child;
    eq_tensor input;
    row rows[EQ_MAX_STEPS];
    char names[EQ_MAX_STEPS * EQ_NAME_MAX];
    char version[TEXT + 1], complaint[TEXT + 1];
    uint64_t overhead_ns;
} worker;

bool tflm_worker_there(void) {
    return getenv(EQ_TFLM_WORKER_VARIABLE) != NULL;
}

uint64_t tflm_worker_overhead_ns(void) {
    return worker.overhead_ns;
}

void tflm_worker_stop(void) {
    if (!worker.stream) return;
    close(worker.stream);
    kill(worker.child, SIGKILL);
    while (waitpid(worker.child, NULL, 0) < 0 && errno == EINTR) {
    }
    worker.stream = 0;
}

static bool start(void) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return false;
    worker.child = fork();
    if (worker.child == 0) {
        dup2(ends[1], STDIN_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO); /* what it prints is text on the console */
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", getenv(EQ_TFLM_WORKER_VARIABLE), (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    if (worker.child < 0) {
        close(ends[0]);
        return false;
    }
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    worker.stream = ends[0];
    return true;
}

static bool put(const void *data, uint32_t bytes) {
    const uint8_t *at = data;
    if (!worker.stream) return false;
    while (bytes) {
        ssize_t moved = send(worker.stream, at, bytes, MSG_NOSIGNAL);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) return false;
        at += moved;
        bytes -= (uint32_t)moved;
    }
    return true;
}

static bool get(void *data, uint32_t bytes) {
    uint8_t *at = data;
    if (!worker.stream) return false;
    while (bytes) {
        ssize_t moved = recv(worker.stream, at, bytes, 0);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) return false;
        at += moved;
        bytes -= (uint32_t)moved;
    }
    return true;
}

static uint32_t u32(const uint8_t *p) {
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool put_u32(uint32_t value) {
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24)};
    return put(bytes, 4);
}

static bool put_header(uint32_t kind, uint32_t bytes) {
    return put_u32(kind) && put_u32(bytes);
}

static bool get_u32(uint32_t *value) {
    uint8_t bytes[4];
    if (!get(bytes, 4)) return false;
    *value = u32(bytes);
    return true;
}

static bool get_header(uint32_t *status, uint32_t *bytes) {
    return get_u32(status) && get_u32(bytes);
}

static bool get_text(char text[TEXT + 1], uint32_t bytes) {
    if (bytes > TEXT || !get(text, bytes)) return false;
    text[bytes] = 0;
    return true;
}

/* The child has ended, or said what cannot be. */
static eq_status lost(eq_engine *e) {
    tflm_worker_stop();
    return eq_engine_fail(e, EQ_UNSUPPORTED, "TFLM's interpreter is lost", 0, 0);
}

static bool get_tensor(eq_tensor *t) {
    uint8_t b[TENSOR];
    if (!get(b, sizeof b)) return false;
    *t = (eq_tensor){.bytes = u32(b), .zero_point = (int32_t)u32(b + 8)};
    memcpy(&t->scale, b + 4, 4);
    uint64_t product = 1;
    for (uint32_t i = 0; i < 4; i++) {
        t->dims[i] = (uint16_t)(b[12 + 2 * i] | b[13 + 2 * i] << 8);
        product *= t->dims[i];
    }
    t->int32 = t->bytes != product;
    return product && t->bytes == product * (t->int32 ? sizeof(int32_t) : 1);
}

/* Tensors, steps and names, which take that many bytes. */
static bool get_rows(const eq_engine *e, uint32_t bytes) {
    uint32_t at = 0;
    if (!get_tensor(&worker.input) || worker.input.int32 || worker.input.bytes > e->arena_capacity)
        return false;
    for (row *r = worker.rows; r < worker.rows + e->steps; r++) {
        if (!get_u32(&r->macs) || !get_u32(&r->op) || !get_u32(&r->name_bytes) || !get_tensor(&r->output))
            return false;
        if (r->name_bytes > EQ_NAME_MAX || r->output.bytes > e->arena_capacity) return false;
        r->name = at;
        at += r->name_bytes;
    }
    return bytes == TENSOR + e->steps * ROW + at && get(worker.names, at);
}

/* The answer to OPEN, of which the header has been read. */
static bool get_model(eq_engine *e, uint32_t bytes) {
    if (bytes < OPENED || !get_u32(&e->arena_bytes) || !get_u32(&e->steps) || !get_u32(&e->output))
        return false;
    if (!e->steps || e->steps > EQ_MAX_STEPS || !e->output || e->output > e->steps) return false;
    bytes -= OPENED;
    return bytes >= TENSOR + e->steps * ROW && get_rows(e, bytes);
}

/* What the image says that an ESP32's interpreter takes at most; 0 where it does not say. */
static uint32_t stated_arena(const eq_engine *e, const eq_image *image) {
    const eq_section *needs = &image->sections[EQ_SECTION_TFLM];
    const uint8_t *bytes = needs->bytes >= 4 ? e->hal->map(e->hal->ctx, needs->offset, 4) : NULL;
    if (!bytes) return 0;
    uint32_t stated = u32(bytes);
    e->hal->unmap(e->hal->ctx, bytes);
    return stated;
}

static eq_status opened(eq_engine *e, const eq_image *image) {
    uint32_t status, bytes, needed;
    if (!get_header(&status, &bytes)) return lost(e);
    if (status == DONE) return get_model(e, bytes) ? EQ_OK : lost(e);
    if (status == REFUSED && get_text(worker.complaint, bytes))
        return eq_engine_fail(e, EQ_UNSUPPORTED, worker.complaint, 0, 0);
    if (status != TOO_SMALL || bytes != 4 || !get_u32(&needed)) return lost(e);
    uint32_t stated = stated_arena(e, image);
    return eq_engine_fail(e, EQ_TOO_LARGE, "TFLM needs a larger arena", 0, stated > needed ? stated : needed);
}

static eq_status open(eq_engine *e, const eq_image *image) {
    const eq_section *file = &image->sections[EQ_SECTION_TFLITE];
    uint32_t status, bytes;
    if (!start()) return eq_engine_fail(e, EQ_UNSUPPORTED, "TFLM's interpreter does not start", 0, 0);
    if (!get_header(&status, &bytes) || status != DONE || !get_text(worker.version, bytes)) return lost(e);
    const uint8_t *tflite = e->hal->map(e->hal->ctx, file->offset, file->bytes);
    if (!tflite) return eq_engine_fail(e, EQ_MAP_FAILED, "the .tflite cannot be mapped", 0, file->bytes);
    bool sent =
        put_header(REQUEST_OPEN, 4 + file->bytes) && put_u32(e->arena_capacity) && put(tflite, file->bytes);
    e->hal->unmap(e->hal->ctx, tflite);
    if (!sent) return lost(e);
    e->scratch_bytes = 0;
    e->input = 0;
    return opened(e, image);
}

static void close_model(eq_engine *e) {
    (void)e;
    tflm_worker_stop();
}

/* One operator's time, and its output into the arena. */
static bool get_step(eq_engine *e, uint32_t index, uint64_t *took) {
    const eq_tensor *output = &worker.rows[index].output;
    uint32_t status, bytes, low, high;
    if (!put_header(REQUEST_STEP, 4) || !put_u32(index) || !get_header(&status, &bytes)) return false;
    if (status != DONE || bytes != 8 + output->bytes || !get_u32(&low) || !get_u32(&high)) return false;
    *took = (uint64_t)high << 32 | low;
    return get(e->arena, output->bytes);
}

/* The clock stands still but for the time that the operators took. */
static eq_status run(eq_engine *e, uint32_t steps, eq_observer observer, void *ctx) {
    uint32_t status, bytes;
    uint64_t begun = e->hal->clock(e->hal->ctx);
    if (!put_header(REQUEST_RUN, worker.input.bytes) || !put(e->arena, worker.input.bytes) ||
        !get_header(&status, &bytes) || status != DONE || bytes)
        return lost(e);
    for (uint32_t i = 0; i < steps; i++) {
        uint64_t took;
        if (!get_step(e, i, &took)) return lost(e);
        uint64_t passed = e->hal->clock(e->hal->ctx) - begun;
        if (took > passed) return lost(e);
        worker.overhead_ns += passed - took;
        if (!observer(ctx, i, e->arena, worker.rows[i].output.bytes)) break;
        begun = e->hal->clock(e->hal->ctx);
    }
    return EQ_OK;
}

/* The child has the tensors. The arena holds the input before a run, and then the last step's output. */
static int8_t *data(const eq_engine *e, uint32_t index) {
    (void)index;
    return e->arena;
}

/* Tensor 0 is the input, tensor n what step n - 1 writes. */
static eq_status tensor(const eq_engine *e, uint32_t index, eq_tensor *out) {
    if (index > e->steps) return EQ_OUT_OF_RANGE;
    *out = index ? worker.rows[index - 1].output : worker.input;
    return EQ_OK;
}

static eq_status step(const eq_engine *e, uint32_t index, eq_step *out) {
    (void)e;
    const row *r = &worker.rows[index];
    *out = (eq_step){.macs = r->macs,
                     .op = r->op,
                     .output = index + 1,
                     .name = worker.names + r->name,
                     .name_bytes = r->name_bytes};
    return EQ_OK;
}

static const char *version(void) {
    return *worker.version ? worker.version : "not started";
}

const eq_engine_kind tflm_worker = {
    .name = "tflm",
    .version = version,
    .open = open,
    .close = close_model,
    .run = run,
    .data = data,
    .tensor = tensor,
    .step = step,
};
