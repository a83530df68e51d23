#include "classifier.h"

#include <stddef.h>
#include <string.h>

#include "eq_engine.h"

extern const uint8_t eq_model_image[], eq_model_image_end[];

/* What the model takes at most: `edgeq fit` says how much that is. */
static _Alignas(16) int8_t arena[64 * 1024];
static _Alignas(16) uint8_t scratch[16 * 1024];

static eq_engine engine;
static eq_preprocess preprocess;

static const uint8_t *map(void *ctx, uint32_t offset, uint32_t bytes) {
    (void)ctx;
    uint32_t there = (uint32_t)(eq_model_image_end - eq_model_image);
    return offset <= there && bytes <= there - offset ? eq_model_image + offset : NULL;
}

static void unmap(void *ctx, const uint8_t *window) {
    (void)ctx;
    (void)window;
}

const char *classifier_open(void) {
    static const eq_engine_kind *const kinds[] = {&eq_native, NULL};
    static eq_hal hal = {.map = map, .unmap = unmap};
    hal.model_partition_bytes = (uint32_t)(eq_model_image_end - eq_model_image);
    if (eq_engine_open(&engine, kinds, &hal, arena, sizeof arena, scratch, sizeof scratch) != EQ_OK)
        return engine.fault.what;
    eq_tensor output;
    if (eq_engine_tensor(&engine, engine.output, &output) != EQ_OK || output.int32)
        return "the model gives no scores";
    if (!engine.preprocess_bytes) return "the model takes no pictures: it has no preprocessing";
    return eq_preprocess_read(&preprocess, map(NULL, engine.preprocess_offset, engine.preprocess_bytes),
                              engine.preprocess_bytes);
}

/* The line of that number. */
static void find_label(classification *result) {
    const char *at = (const char *)map(NULL, engine.labels_offset, engine.labels_bytes);
    const char *end = at ? at + engine.labels_bytes : NULL;
    result->label_bytes = 0;
    for (uint32_t line = 0; at && at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        result->label = at;
        result->label_bytes = line == result->index ? (int)(stop - at) : 0;
        if (line == result->index) return;
        at = stop + 1;
    }
}

const char *classify(const eq_picture *picture, classification *result) {
    uint32_t bytes;
    eq_tensor tensor;
    if (!eq_picture_bytes(picture->height, picture->width, picture->channels)) return "this is no picture";
    int8_t *input = eq_engine_input(&engine, &bytes);
    if (!input) return "no model is open";
    eq_preprocess_run(&preprocess, picture, input);
    if (eq_engine_run(&engine, 0, NULL, NULL) != EQ_OK) return engine.fault.what;
    const int8_t *output = eq_engine_output(&engine, &bytes);
    if (eq_engine_tensor(&engine, engine.output, &tensor) != EQ_OK) return "the model has no output";
    result->index = 0;
    for (uint32_t i = 1; i < bytes; i++)
        if (output[i] > output[result->index]) result->index = i;
    result->score = tensor.scale * (float)(output[result->index] - tensor.zero_point);
    find_label(result);
    return NULL;
}
