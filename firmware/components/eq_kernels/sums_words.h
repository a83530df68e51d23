/* Sums over windows, for averages and means: four channels of a word at a time. */
#ifndef EQ_SUMS_WORDS_H
#define EQ_SUMS_WORDS_H

#include <stdint.h>

enum { EQ_SUMS_MOST = 257 }; /* words that 16 bits hold the sums of: 257 * 255 is 65535 */

/* The field offsets are known to sums_words_lx6.S. */
typedef struct eq_sums {
    const int8_t *from;  /* on a 4-byte boundary, as are the steps */
    int32_t *sums;       /* four for each word */
    int32_t words;       /* beside each other, at least 1 */
    int32_t rows;        /* that are summed up, at least 1 */
    int32_t columns;     /* likewise; rows * columns is at most EQ_SUMS_MOST */
    int32_t row_step;    /* bytes */
    int32_t column_step; /* bytes */
} eq_sums;

/* Adds each channel's values, each plus 128, to its sum. */
void eq_sums_words(const eq_sums *p);
void eq_sums_words_lx6(const eq_sums *p);

/* The same for any number of rows and columns; `p` is used up. */
void eq_sums_of_any(eq_sums *p);

#endif
