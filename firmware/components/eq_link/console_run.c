#include <string.h>

#include "eq_console.h"
#include "eq_server.h"

void eq_console_run(const eq_hal *hal, eq_engine *engine) {
    static eq_receiver receiver;
    static eq_inference inference;
    static eq_server server;
    static eq_console console;
    static eq_trigger trigger;
    memset(&receiver, 0, sizeof receiver);
    memset(&inference, 0, sizeof inference);
    memset(&server, 0, sizeof server);
    memset(&console, 0, sizeof console);
    memset(&trigger, 0, sizeof trigger);
    inference.hal = hal;
    inference.engine = engine;
    server.inference = console.inference = trigger.inference = &inference;
    server.trigger = &trigger;

    eq_console_banner(&console);
    uint8_t bytes[64];
    for (uint32_t n; (n = hal->read(hal->ctx, bytes, sizeof bytes)) != 0;) {
        for (uint32_t i = 0; n != EQ_READ_NOTHING && i < n; i++) {
            switch (eq_receiver_feed(&receiver, bytes[i])) {
            case EQ_EVENT_NONE:
                break;
            case EQ_EVENT_TEXT:
                for (uint32_t t = 0; t < receiver.text_bytes; t++)
                    eq_console_char(&console, receiver.text[t]);
                break;
            case EQ_EVENT_FRAME:
                eq_server_frame(&server, receiver.type, receiver.seq, receiver.payload,
                                receiver.payload_bytes);
                break;
            }
            if (server.reboot || console.reboot) {
                hal->reboot(hal->ctx);
                return;
            }
        }
        /* A run that fails leaves done low; there is nobody to tell more. */
        if (hal->trigger_pending && hal->trigger_pending(hal->ctx))
            (void)eq_trigger_run(&trigger, NULL, NULL);
    }
}
