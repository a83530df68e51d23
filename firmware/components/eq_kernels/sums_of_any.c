#include "sums_words.h"

#if defined(EQ_MAC16)
#define SUMS eq_sums_words_lx6
#else
#define SUMS eq_sums_words
#endif

/* One row at a time, in pieces. */
static void long_rows(eq_sums *p) {
    int32_t rows = p->rows, columns = p->columns;
    const int8_t *from = p->from;
    p->rows = 1;
    for (int32_t r = 0; r < rows; r++, from += p->row_step)
        for (int32_t c = 0; c < columns; c += EQ_SUMS_MOST) {
            p->from = from + c * p->column_step;
            p->columns = columns - c < EQ_SUMS_MOST ? columns - c : EQ_SUMS_MOST;
            SUMS(p);
        }
}

void eq_sums_of_any(eq_sums *p) {
    if (p->columns > EQ_SUMS_MOST) {
        long_rows(p);
        return;
    }
    int32_t rows = p->rows, at_once = EQ_SUMS_MOST / p->columns;
    for (; rows > 0; rows -= at_once, p->from += at_once * p->row_step) {
        p->rows = rows < at_once ? rows : at_once;
        SUMS(p);
    }
}
