#include "eq_server.h"

#include <string.h>

enum {
    TYPE_HELLO = 0x80,
    TYPE_LAST_REQUEST = 0xBF,
    TYPE_TO_ANSWER = 0x40,
    TYPE_BUSY = 0xFE,
    TYPE_ERROR = 0xFF
};
enum { PIN_READ = 2 };
enum { READ_MAX = 248, ROWS_MAX = 32, INFO_MAX = EQ_PAYLOAD_MAX - 4, ERROR_TEXT_MAX = 250 };

/* The request being answered, and its answer as it grows. */
typedef struct exchange {
    eq_server *server;
    uint8_t seq;
    const uint8_t *in;
    uint32_t in_bytes;
    uint8_t out[EQ_PAYLOAD_MAX];
    uint32_t out_bytes;
    const char *why;       /* of an error: a sentence, */
    const eq_fault *fault; /* or what the engine says, */
    uint32_t takes, room;  /* or the bytes of a picture without room */
} exchange;

static uint32_t arg(const exchange *x, uint32_t index) {
    const uint8_t *p = x->in + 4 * index;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_bytes(exchange *x, const void *data, uint32_t bytes) {
    memcpy(x->out + x->out_bytes, data, bytes);
    x->out_bytes += bytes;
}

static void put(exchange *x, uint64_t value, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) x->out[x->out_bytes++] = (uint8_t)(value >> (8 * i));
}

static eq_error fail(exchange *x, eq_error error, const char *why) {
    x->why = why;
    return error;
}

static eq_error engine_failed(exchange *x, eq_status status) {
    x->fault = &x->server->inference->engine->fault;
    return status == EQ_OUT_OF_RANGE ? EQ_ERROR_RANGE : EQ_ERROR_ENGINE;
}

static eq_error hello(exchange *x) {
    put(x, EQ_LINK_VERSION, 2);
    put(x, EQ_PAYLOAD_MAX, 2);
    return EQ_ERROR_NONE;
}

static eq_error info(exchange *x) {
    const eq_inference *inf = x->server->inference;
    eq_window window = {.bytes = x->out + 4, .capacity = INFO_MAX, .skip = arg(x, 0)};
    eq_text out = eq_window_text(&window);
    eq_info(&out, inf->hal, inf->engine, false);
    if (window.skip > window.total) return fail(x, EQ_ERROR_RANGE, "offset behind the end");
    put(x, window.total, 4);
    x->out_bytes += eq_window_kept(&window);
    return EQ_ERROR_NONE;
}

static void put_scale(exchange *x, const eq_tensor *tensor) {
    uint32_t bits;
    memcpy(&bits, &tensor->scale, 4);
    put(x, bits, 4);
    put(x, (uint32_t)tensor->zero_point, 4);
}

static eq_error model(exchange *x) {
    const eq_engine *e = x->server->inference->engine;
    eq_tensor input, output;
    eq_status status = eq_engine_tensor(e, e->input, &input);
    if (status == EQ_OK) status = eq_engine_tensor(e, e->output, &output);
    if (status != EQ_OK) return engine_failed(x, status);
    const uint32_t numbers[] = {input.bytes,    output.bytes,      e->steps,         e->golden_count,
                                e->arena_bytes, e->arena_capacity, e->scratch_bytes, e->image_bytes};
    for (uint32_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) put(x, numbers[i], 4);
    put_scale(x, &input);
    put_scale(x, &output);
    for (uint32_t i = 0; i < 4; i++) put(x, input.dims[i], 2);
    for (uint32_t i = 0; i < 4; i++) put(x, output.dims[i], 2);
    put_bytes(x, e->sha256, 32);
    uint32_t name_bytes = (uint32_t)strlen(e->name);
    put(x, name_bytes, 1);
    put_bytes(x, e->name, name_bytes);
    return EQ_ERROR_NONE;
}

static eq_error step(exchange *x) {
    const eq_engine *e = x->server->inference->engine;
    eq_step s;
    eq_tensor output;
    eq_status status = eq_engine_step(e, arg(x, 0), &s);
    if (status == EQ_OUT_OF_RANGE) return fail(x, EQ_ERROR_RANGE, "no such step");
    if (status == EQ_OK) status = eq_engine_tensor(e, s.output, &output);
    if (status != EQ_OK) return engine_failed(x, status);
    put(x, s.macs, 4);
    put(x, output.bytes, 4);
    put(x, s.output, 4);
    put(x, s.op, 4);
    put(x, s.kernel, 4);
    uint32_t room = EQ_PAYLOAD_MAX - x->out_bytes - 1;
    uint32_t name_bytes = s.name_bytes < room ? s.name_bytes : room;
    put(x, name_bytes, 1);
    put_bytes(x, s.name, name_bytes);
    return EQ_ERROR_NONE;
}

static eq_error write_input(exchange *x) {
    if (!eq_inference_write(x->server->inference, arg(x, 0), x->in + 4, x->in_bytes - 4))
        return fail(x, EQ_ERROR_RANGE, "bytes beyond the input's end, or a gap before them");
    return EQ_ERROR_NONE;
}

static eq_error load_golden(exchange *x) {
    eq_inference *inf = x->server->inference;
    if (arg(x, 0) >= inf->engine->golden_count) return fail(x, EQ_ERROR_RANGE, "no such golden sample");
    eq_status status = eq_inference_golden(inf, arg(x, 0));
    return status == EQ_OK ? EQ_ERROR_NONE : engine_failed(x, status);
}

/* A frame of its own between the request and its answer; it is not remembered. */
static void busy(void *ctx, uint32_t done, uint32_t all) {
    const exchange *x = ctx;
    const eq_hal *hal = x->server->inference->hal;
    uint8_t payload[8], frame[EQ_FRAME_MAX];
    for (uint32_t i = 0; i < 4; i++) {
        payload[i] = (uint8_t)(done >> (8 * i));
        payload[4 + i] = (uint8_t)(all >> (8 * i));
    }
    hal->write(hal->ctx, frame, eq_frame_encode(TYPE_BUSY, x->seq, payload, 8, frame));
}

static eq_error run(exchange *x) {
    eq_inference *inf = x->server->inference;
    uint32_t flags = arg(x, 0), steps = arg(x, 1);
    if (flags & ~(uint32_t)(EQ_RUN_HASH | EQ_RUN_PROFILE)) return fail(x, EQ_ERROR_RANGE, "unknown flags");
    if (steps > inf->engine->steps) return fail(x, EQ_ERROR_RANGE, "more steps than the plan has");
    if (!eq_inference_ready(inf))
        return fail(x, EQ_ERROR_NOT_READY, "the input is not there: each run uses it up");
    uint64_t ticks;
    eq_status status = eq_inference_run(inf, flags, steps, busy, x, &ticks);
    if (status != EQ_OK) return engine_failed(x, status);
    put(x, ticks, 8);
    return EQ_ERROR_NONE;
}

static eq_error put_part(exchange *x, const int8_t *data, uint32_t size, uint32_t offset, uint32_t bytes) {
    if (bytes > READ_MAX || offset > size || bytes > size - offset)
        return fail(x, EQ_ERROR_RANGE, "bytes beyond the tensor's end, or more than 248");
    put_bytes(x, data + offset, bytes);
    return EQ_ERROR_NONE;
}

static eq_error read_output(exchange *x) {
    const eq_inference *inf = x->server->inference;
    if (inf->steps_done != inf->engine->steps)
        return fail(x, EQ_ERROR_NOT_READY, "no whole run since the input was written");
    uint32_t size;
    const int8_t *output = eq_engine_output(inf->engine, &size);
    return put_part(x, output, size, arg(x, 0), arg(x, 1));
}

static eq_error read_step(exchange *x) {
    const eq_inference *inf = x->server->inference;
    if (inf->steps_done == 0 || inf->steps_done - 1 != arg(x, 0))
        return fail(x, EQ_ERROR_NOT_READY, "the last run did not end with this step");
    return put_part(x, inf->engine->step_output, inf->engine->step_output_bytes, arg(x, 1), arg(x, 2));
}

/* Rows [first, rows) that fit; none at `first` == rows, which ends the tool's reading. */
static eq_error rows_from(exchange *x, uint32_t rows, uint32_t *first, uint32_t *end) {
    *first = arg(x, 0);
    if (rows == 0) return fail(x, EQ_ERROR_NOT_READY, "no run with this flag");
    if (*first > rows) return fail(x, EQ_ERROR_RANGE, "behind the last step");
    *end = rows - *first < ROWS_MAX ? rows : *first + ROWS_MAX;
    return EQ_ERROR_NONE;
}

static eq_error read_profile(exchange *x) {
    const eq_inference *inf = x->server->inference;
    uint32_t i, end;
    eq_error error = rows_from(x, inf->profiled, &i, &end);
    if (error) return error;
    for (; i < end; i++) put(x, inf->ticks[i], 8);
    return EQ_ERROR_NONE;
}

static eq_error read_hashes(exchange *x) {
    const eq_inference *inf = x->server->inference;
    uint32_t i, end;
    eq_error error = rows_from(x, inf->hashed, &i, &end);
    if (error) return error;
    for (; i < end; i++) put_bytes(x, inf->hashes[i], 8);
    return EQ_ERROR_NONE;
}

static eq_error selftest(exchange *x) {
    eq_inference *inf = x->server->inference;
    eq_error error = load_golden(x);
    if (error) return error;
    uint64_t ticks;
    bool equal;
    uint32_t first_difference;
    eq_status status = eq_inference_run(inf, 0, 0, busy, x, &ticks);
    if (status == EQ_OK) status = eq_engine_golden_check(inf->engine, arg(x, 0), &equal, &first_difference);
    if (status != EQ_OK) return engine_failed(x, status);
    put(x, equal, 4);
    put(x, equal ? 0 : first_difference, 4);
    return EQ_ERROR_NONE;
}

static eq_error reboot(exchange *x) {
    x->server->reboot = true;
    return EQ_ERROR_NONE;
}

static eq_error clock_now(exchange *x) {
    const eq_hal *hal = x->server->inference->hal;
    put(x, hal->clock(hal->ctx), 8);
    return EQ_ERROR_NONE;
}

static eq_error choose_engine(exchange *x) {
    eq_status status = eq_inference_choose(x->server->inference, (const char *)x->in, x->in_bytes);
    if (status == EQ_OUT_OF_RANGE) return fail(x, EQ_ERROR_RANGE, "this firmware has no such engine");
    if (status == EQ_OK) return EQ_ERROR_NONE;
    x->fault = &x->server->inference->engine->fault;
    return status == EQ_NO_MODEL ? EQ_ERROR_NO_MODEL : EQ_ERROR_REFUSED;
}

static eq_error preprocessing(exchange *x) {
    const eq_inference *inf = x->server->inference;
    const eq_hal *hal = inf->hal;
    uint32_t room;
    eq_engine_room(inf->engine, &room);
    put(x, room, 4);
    if (!inf->engine->preprocess_bytes) return EQ_ERROR_NONE;
    eq_preprocess rule;
    const char *why = eq_inference_preprocess(inf, &rule);
    if (why) return fail(x, EQ_ERROR_REFUSED, why);
    const uint8_t *section =
        hal->map(hal->ctx, inf->engine->preprocess_offset, inf->engine->preprocess_bytes);
    if (!section) return fail(x, EQ_ERROR_ENGINE, "the preprocessing cannot be mapped");
    put_bytes(x, section, inf->engine->preprocess_bytes); /* checked: at most EQ_PREPROCESS_SECTION_MOST */
    hal->unmap(hal->ctx, section);
    return EQ_ERROR_NONE;
}

static eq_error picture(exchange *x) {
    eq_inference *inf = x->server->inference;
    eq_preprocess rule;
    const char *why = eq_inference_preprocess(inf, &rule);
    if (why) return fail(x, inf->engine->preprocess_bytes ? EQ_ERROR_REFUSED : EQ_ERROR_NOT_READY, why);
    const eq_picture dimensions = {.height = arg(x, 0), .width = arg(x, 1), .channels = arg(x, 2)};
    uint32_t takes, room;
    eq_status status = eq_inference_picture(inf, &dimensions, &takes, &room);
    if (status == EQ_OUT_OF_RANGE) return fail(x, EQ_ERROR_RANGE, "there are no pictures of this size");
    if (status == EQ_OK) return EQ_ERROR_NONE;
    x->takes = takes;
    x->room = room;
    return EQ_ERROR_RANGE;
}

static eq_error write_picture(exchange *x) {
    eq_inference *inf = x->server->inference;
    if (!inf->picture.pixels) return fail(x, EQ_ERROR_NOT_READY, "no picture was begun");
    if (!eq_inference_pixels(inf, arg(x, 0), x->in + 4, x->in_bytes - 4))
        return fail(x, EQ_ERROR_RANGE, "bytes beyond the picture's end, or a gap before them");
    return EQ_ERROR_NONE;
}

static eq_error read_input(exchange *x) {
    const eq_inference *inf = x->server->inference;
    if (!eq_inference_ready(inf)) return fail(x, EQ_ERROR_NOT_READY, "the input is not there");
    uint32_t size;
    const int8_t *input = eq_engine_input(inf->engine, &size);
    return put_part(x, input, size, arg(x, 0), arg(x, 1));
}

static eq_error label(exchange *x) {
    const eq_engine *e = x->server->inference->engine;
    const eq_hal *hal = x->server->inference->hal;
    if (!e->labels_bytes) return fail(x, EQ_ERROR_RANGE, "the model image has no labels");
    const uint8_t *text = hal->map(hal->ctx, e->labels_offset, e->labels_bytes);
    if (!text) return fail(x, EQ_ERROR_ENGINE, "the labels cannot be mapped");
    uint32_t begin = 0, end, line = 0;
    for (; line < arg(x, 0) && begin < e->labels_bytes; begin++)
        if (text[begin] == '\n') line++;
    bool there = line == arg(x, 0) && begin < e->labels_bytes;
    for (end = begin; there && end < e->labels_bytes && text[end] != '\n';) end++;
    if (end - begin > EQ_PAYLOAD_MAX) end = begin + EQ_PAYLOAD_MAX;
    if (there) put_bytes(x, text + begin, end - begin);
    hal->unmap(hal->ctx, text);
    return there ? EQ_ERROR_NONE : fail(x, EQ_ERROR_RANGE, "no such label");
}

static eq_error pin(exchange *x) {
    eq_trigger *trigger = x->server->trigger;
    uint32_t level = arg(x, 0);
    if (level > PIN_READ) return fail(x, EQ_ERROR_RANGE, "a pin is 0, 1, or 2 to be read");
    if (level != PIN_READ) {
        if (!x->server->inference->hal->virtual_pins)
            return fail(x, EQ_ERROR_RANGE, "this board's trigger is not virtual");
        bool rises = level && !trigger->level;
        trigger->level = level;
        eq_status status = rises ? eq_trigger_run(trigger, busy, x) : EQ_OK;
        if (status != EQ_OK) return engine_failed(x, status);
    }
    put(x, trigger->level, 4);
    put(x, trigger->done, 4);
    put(x, trigger->runs, 4);
    put(x, trigger->ticks, 8);
    return EQ_ERROR_NONE;
}

typedef struct request {
    uint8_t type;
    bool model;           /* needs one */
    uint16_t least, most; /* bytes of payload */
    eq_error (*answer)(exchange *x);
} request;

static const request requests[] = {
    {TYPE_HELLO, false, 0, 0, hello},
    {0x81, false, 4, 4, info},
    {0x82, true, 0, 0, model},
    {0x83, true, 4, 4, step},
    {0x84, true, 5, EQ_PAYLOAD_MAX, write_input},
    {0x85, true, 8, 8, run},
    {0x86, true, 8, 8, read_output},
    {0x87, true, 4, 4, read_profile},
    {0x88, true, 4, 4, read_hashes},
    {0x89, true, 12, 12, read_step},
    {0x8A, true, 4, 4, selftest},
    {0x8B, false, 0, 0, reboot},
    {0x8C, false, 0, 0, clock_now},
    {0x8D, true, 4, 4, load_golden},
    {0x8E, false, 1, 16, choose_engine},
    {0x8F, true, 0, 0, preprocessing},
    {0x90, true, 12, 12, picture},
    {0x91, true, 5, EQ_PAYLOAD_MAX, write_picture},
    {0x92, true, 8, 8, read_input},
    {0x93, true, 4, 4, label},
    {0x94, true, 4, 4, pin},
};

static eq_error dispatch(exchange *x, uint8_t type) {
    const eq_server *server = x->server;
    const eq_engine *engine = server->inference->engine;
    const request *r = NULL;
    for (uint32_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        if (requests[i].type == type) r = &requests[i];
    if ((x->seq == 0) != (type == TYPE_HELLO))
        return fail(x, EQ_ERROR_MALFORMED, "sequence number 0 is HELLO's alone");
    if (!server->greeted) return fail(x, EQ_ERROR_NO_HELLO, "no HELLO since boot");
    if (!r) return fail(x, EQ_ERROR_UNKNOWN, "unknown request");
    if (x->in_bytes < r->least || x->in_bytes > r->most) return fail(x, EQ_ERROR_MALFORMED, "wrong length");
    if (r->model && !engine->open) {
        x->fault = &engine->fault;
        return engine->fault.status == EQ_NO_MODEL ? EQ_ERROR_NO_MODEL : EQ_ERROR_REFUSED;
    }
    return r->answer(x);
}

static void put_error(exchange *x, eq_error error, uint8_t type) {
    x->out_bytes = 0;
    put(x, error, 2);
    put(x, type, 2);
    eq_window window = {.bytes = x->out + 4, .capacity = ERROR_TEXT_MAX};
    eq_text out = eq_window_text(&window);
    if (x->fault) {
        eq_text_fault(&out, x->fault);
    } else if (x->takes) {
        eq_text_str(&out, "the picture takes ");
        eq_text_u64(&out, x->takes, 0);
        eq_text_str(&out, " bytes, ");
        eq_text_u64(&out, x->room, 0);
        eq_text_str(&out, " are free");
    } else {
        eq_text_str(&out, x->why);
    }
    x->out_bytes += eq_window_kept(&window);
}

void eq_server_frame(eq_server *s, uint8_t type, uint8_t seq, const uint8_t *payload, uint32_t bytes) {
    if (type > TYPE_LAST_REQUEST) return; /* an echo of our own, or another board's */
    const eq_hal *hal = s->inference->hal;
    bool again = seq != 0 && type == s->type && seq == s->seq;
    if (!again) {
        if (type == TYPE_HELLO && seq == 0) s->greeted = true;
        exchange x = {.server = s, .seq = seq, .in = payload, .in_bytes = bytes};
        eq_error error = dispatch(&x, type);
        if (error) put_error(&x, error, type);
        uint8_t answer_type = error ? TYPE_ERROR : (uint8_t)(type + TYPE_TO_ANSWER);
        s->answer_bytes = eq_frame_encode(answer_type, seq, x.out, x.out_bytes, s->answer);
        s->type = type;
        s->seq = seq;
    }
    hal->write(hal->ctx, s->answer, s->answer_bytes);
}
