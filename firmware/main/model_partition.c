#include <string.h>

#include "eq_image.h"
#include "esp_partition.h"
#include "model.h"
#include "partition_table.h"
#include "slots.h"

enum { WINDOWS = 4 };

typedef struct window {
    const uint8_t *at; /* NULL: free */
    esp_partition_mmap_handle_t handle;
} window;

typedef struct slot {
    const esp_partition_t *partition; /* NULL: there is none */
    /* The whole image, mapped once: then nothing is allocated after start-up. An image larger than the chip's
     * data window has none, and is mapped piece by piece as the engine walks through it. */
    const uint8_t *whole;
    uint32_t whole_bytes;
    window windows[WINDOWS];
} slot;

/* Offsets need no alignment: ESP-IDF maps the 64 KiB pages around. */
static const uint8_t *map_part(const slot *s, uint32_t offset, uint32_t bytes,
                               esp_partition_mmap_handle_t *handle) {
    const void *at = NULL;
    esp_err_t error = esp_partition_mmap(s->partition, offset, bytes, ESP_PARTITION_MMAP_DATA, &at, handle);
    return error == ESP_OK ? at : NULL;
}

static const uint8_t *map(void *ctx, uint32_t offset, uint32_t bytes) {
    slot *s = ctx;
    if (!s->partition || !bytes) return NULL;
    if (offset > s->partition->size || bytes > s->partition->size - offset) return NULL;
    if (offset <= s->whole_bytes && bytes <= s->whole_bytes - offset) return s->whole + offset;
    for (window *w = s->windows; w < s->windows + WINDOWS; w++) {
        if (w->at) continue;
        w->at = map_part(s, offset, bytes, &w->handle);
        return w->at;
    }
    return NULL;
}

static void unmap(void *ctx, const uint8_t *at) {
    slot *s = ctx;
    for (window *w = s->windows; w < s->windows + WINDOWS; w++) {
        if (!at || w->at != at) continue;
        esp_partition_munmap(w->handle);
        w->at = NULL;
        return;
    }
}

static void map_whole(slot *s) {
    uint8_t header[EQ_IMAGE_HEADER_BYTES];
    esp_partition_mmap_handle_t handle;
    if (!s->partition || esp_partition_read(s->partition, 0, header, sizeof header) != ESP_OK) return;
    uint32_t bytes = eq_image_bytes(header, s->partition->size);
    s->whole = bytes ? map_part(s, 0, bytes, &handle) : NULL;
    s->whole_bytes = s->whole ? bytes : 0;
}

/* The partitions of that subtype in the order of the table, which ESP-IDF keeps; returns how many. */
static uint32_t find(uint8_t subtype, const esp_partition_t *found[], uint32_t capacity) {
    uint32_t count = 0;
    esp_partition_iterator_t at =
        esp_partition_find(ESP_PARTITION_TYPE_DATA, (esp_partition_subtype_t)subtype, NULL);
    for (; at && count < capacity; at = esp_partition_next(at)) found[count++] = esp_partition_get(at);
    esp_partition_iterator_release(at);
    return count;
}

/* All 0xFF, as erased flash, where there are none. */
static void read_records(uint8_t records[EQ_SLOT_RECORDS][EQ_SLOT_RECORD_BYTES]) {
    const esp_partition_t *partition;
    memset(records, 0xFF, EQ_SLOT_RECORDS * EQ_SLOT_RECORD_BYTES);
    if (!find(EQ_PARTITION_SUBTYPE_SLOT_RECORDS, &partition, 1)) return;
    for (uint32_t i = 0; i < EQ_SLOT_RECORDS; i++) {
        uint32_t offset = i * EQ_SLOT_RECORD_SPACING;
        if (esp_partition_read(partition, offset, records[i], EQ_SLOT_RECORD_BYTES) != ESP_OK)
            memset(records[i], 0xFF, EQ_SLOT_RECORD_BYTES);
    }
}

void model_open(eq_hal *hal) {
    static slot slots[EQ_SLOTS_MAX];
    const esp_partition_t *found[EQ_SLOTS_MAX];
    uint32_t count = find(EQ_PARTITION_SUBTYPE_MODEL, found, EQ_SLOTS_MAX);
    eq_hal ways[EQ_SLOTS_MAX] = {{.ctx = &slots[0], .map = map, .unmap = unmap}};
    for (uint32_t i = 0; i < count; i++) {
        slots[i].partition = found[i];
        ways[i] =
            (eq_hal){.ctx = &slots[i], .model_partition_bytes = found[i]->size, .map = map, .unmap = unmap};
    }
    uint8_t records[EQ_SLOT_RECORDS][EQ_SLOT_RECORD_BYTES];
    read_records(records);
    uint32_t chosen = eq_slots_choose(records[0], ways, count);
    map_whole(&slots[chosen]);
    hal->ctx = ways[chosen].ctx;
    hal->model_partition_bytes = ways[chosen].model_partition_bytes;
    hal->map = map;
    hal->unmap = unmap;
}
