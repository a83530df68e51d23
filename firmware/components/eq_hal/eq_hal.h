/* The board as the rest of the firmware sees it: one struct of callbacks. */
#ifndef EQ_HAL_H
#define EQ_HAL_H

#include <stdbool.h>
#include <stdint.h>

/* What `read` returns where no byte came but the trigger did. */
#define EQ_READ_NOTHING UINT32_MAX

typedef struct eq_hal {
    void *ctx;
    const char *board;      /* "esp32-wrover-b" */
    const char *kind;       /* "emulated", "host", "real" */
    const char *port;       /* "qemu_lx6", "host", "esp-idf" */
    const char *clock_unit; /* what clock() counts: "instructions", "ns", "us", "cycles" */
    uint32_t clock_hz;      /* of the core; 0 where it has no meaning */

    /* Waits for at least one byte of the console, returns how many it put into buf; 0 at the end of the
     * stream. */
    uint32_t (*read)(void *ctx, uint8_t *buf, uint32_t capacity);
    void (*write)(void *ctx, const uint8_t *buf, uint32_t bytes);

    /* Ticks since some fixed moment; only differences mean something. */
    uint64_t (*clock)(void *ctx);

    /* The model partition: its size, and a readable window on [offset, offset + bytes) of it, or NULL. At
     * most four windows are open at a time; each map has its unmap. */
    uint32_t model_partition_bytes; /* 0: there is none */
    const uint8_t *(*map)(void *ctx, uint32_t offset, uint32_t bytes);
    void (*unmap)(void *ctx, const uint8_t *window);

    void (*reboot)(void *ctx);

    /* 32 bytes: the SHA-256 of the application image, by which a tool knows what is on the board. NULL where
     * the board does not know. */
    const uint8_t *app_sha256;

    /* What `info` shall say of this board beyond the above: false behind the last. May be NULL. */
    bool (*fact)(void *ctx, uint32_t index, const char **name, uint32_t *value);

    /* Two pins: a rising edge of the trigger starts an inference, done is high from its end until the next
     * one begins. All NULL where the board has none.
     *
     * trigger_pending: true once for the rising edges since it was last asked; edges during an inference
     * count as one behind it. It is asked after each read, so a board that has it must not wait in
     * `read` while an edge is pending: `read` then returns EQ_READ_NOTHING. An edge may come from an
     * interrupt: a flag that the handler sets, and that this takes, is enough. set_done may be NULL by
     * itself. */
    bool (*trigger_pending)(void *ctx);
    void (*set_done)(void *ctx, bool high);
    /* The link may play the trigger (request PIN): there is no wire. Not together with trigger_pending. */
    bool virtual_pins;
} eq_hal;

#endif
