/* The heart of max_pool2d_s8_words: one pixel, four channels of a word at a time. */
#ifndef EQ_MAX_WORDS_H
#define EQ_MAX_WORDS_H

#include <stdint.h>

/* The largest of each channel over `rows` rows of `columns` pixels. Both are at least 1, channels a multiple
 * of 4, all addresses on 4-byte boundaries. The field offsets are known to max_words_lx6.S. */
typedef struct eq_max_window {
    const int8_t *from;
    int8_t *to;
    int32_t rows, columns, channels;
    int32_t row_step; /* bytes from a row to the next */
} eq_max_window;

void eq_max_words(const eq_max_window *window);
void eq_max_words_lx6(const eq_max_window *window);

#endif
