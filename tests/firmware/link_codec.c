/* The codec behind a pipe, for test_eq_link.py. Commands on stdin, lengths u16 little-endian:
 *   E type seq length payload   ->  length frame
 *   F length bytes              ->  for each event 'T' length text | 'M' type seq length payload; then '.'
 * dropped:u32 R                               starts the receiver anew */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eq_link.h"

static void take(uint8_t *bytes, size_t n) {
    if (n && fread(bytes, 1, n, stdin) != n) exit(2);
}

static uint32_t take_length(void) {
    uint8_t b[2];
    take(b, 2);
    return b[0] | (uint32_t)b[1] << 8;
}

static void give(const uint8_t *bytes, uint32_t n) {
    putchar((int)(n & 0xFF));
    putchar((int)(n >> 8));
    fwrite(bytes, 1, n, stdout);
}

static void encode(void) {
    uint8_t head[2], payload[EQ_PAYLOAD_MAX], frame[EQ_FRAME_MAX];
    take(head, 2);
    uint32_t n = take_length();
    if (n > sizeof payload) exit(2);
    take(payload, n);
    give(frame, eq_frame_encode(head[0], head[1], payload, n, frame));
}

static void feed(eq_receiver *receiver) {
    for (uint32_t n = take_length(); n; n--) {
        uint8_t byte;
        take(&byte, 1);
        switch (eq_receiver_feed(receiver, byte)) {
        case EQ_EVENT_NONE:
            break;
        case EQ_EVENT_TEXT:
            putchar('T');
            give(receiver->text, receiver->text_bytes);
            break;
        case EQ_EVENT_FRAME:
            putchar('M');
            putchar(receiver->type);
            putchar(receiver->seq);
            give(receiver->payload, receiver->payload_bytes);
            break;
        }
    }
    putchar('.');
    for (int i = 0; i < 4; i++) putchar((int)(receiver->dropped >> (8 * i) & 0xFF));
}

int main(void) {
    static eq_receiver receiver;
    for (int command; (command = getchar()) != EOF; fflush(stdout)) switch (command) {
        case 'E':
            encode();
            break;
        case 'F':
            feed(&receiver);
            break;
        case 'R':
            memset(&receiver, 0, sizeof receiver);
            break;
        default:
            return 2;
        }
    return 0;
}
