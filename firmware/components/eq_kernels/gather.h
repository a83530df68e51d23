/* The parts of conv2d_s8_gather and conv2d_s8_mac16, each in C and, as name_lx6, in assembly for cores with
 * MAC16: equal outputs. Pointers to int16 are on 4-byte boundaries where nothing else is said. Inputs are
 * widened as x + 128, 0 to 255, so that padding is the zero point + 128. */
#ifndef EQ_GATHER_H
#define EQ_GATHER_H

#include <stdbool.h>

#include "eq_kernels.h"

#if defined(EQ_MAC16)
#define EQ_FAST(name) name##_lx6
#else
#define EQ_FAST(name) name
#endif

/* The field offsets are known to dots_s16_lx6.S. */
typedef struct eq_dots {
    const int16_t *x;       /* windows, one behind the other */
    const int16_t *weights; /* the first in the second half of a word */
    int32_t quads;          /* fours of values in a window */
    int32_t natural;        /* whether x is in its natural order (1), or grouped as the weights are (0) */
    int32_t pixels;
    int32_t stride; /* bytes between two outputs */
    int32_t min, max;
} eq_dots;

/* One output channel of each window. The 8 bytes behind x are read. */
void eq_dots_s16(const eq_dots *dots, const eq_scaled_channel *channel, int8_t *output);
void eq_dots_s16_lx6(const eq_dots *dots, const eq_scaled_channel *channel, int8_t *output);

/* Windows that overlap where they lie: `rows` rows of 4 * `quads` values each, `pitch` bytes from one to the
 * next, and `step` bytes from a window to the next. All in grouped order. The first 8 bytes of the window
 * that would come next are read. The field offsets are known to line_dots_s16_lx6.S. */
typedef struct eq_line_dots {
    const int16_t *x, *weights; /* the first weight in the second half of a word */
    int32_t quads, rows, pitch, step;
    int32_t pixels;
    int32_t stride; /* bytes between two outputs */
    int32_t min, max;
} eq_line_dots;

/* As eq_dots_s16. */
void eq_line_dots_s16(const eq_line_dots *dots, const eq_scaled_channel *channel, int8_t *output);
void eq_line_dots_s16_lx6(const eq_line_dots *dots, const eq_scaled_channel *channel, int8_t *output);

/* `count` weights times 2^shift (2 or 8) in grouped order, and the first three once more. `count` is a
 * multiple of 4, `from` on a 4-byte boundary, and `to` in the second half of a word, whose first half is
 * written, too. */
void eq_widen_weights(const int8_t *from, int32_t count, int32_t shift, int16_t *to);
void eq_widen_weights_lx6(const int8_t *from, int32_t count, int32_t shift, int16_t *to);

/* As eq_widen_weights for x in its natural order: the first weight, and the others in grouped order. Both
 * `count` and where `from` lies are any; weights are filled up to a multiple of four with anything (values of
 * x there are zero). The assembly reads whole words, up to 12 bytes behind the last weight, and writes up to
 * 4 bytes behind the three. */
void eq_widen_natural(const int8_t *from, int32_t count, int32_t shift, int16_t *to);
void eq_widen_natural_lx6(const int8_t *from, int32_t count, int32_t shift, int16_t *to);

/* `runs` runs of 4 * `quads` inputs, `pitch` bytes from one to the next, in grouped order without a gap.
 * `from` is on a 4-byte boundary, and `pitch` is a multiple of 4. */
void eq_widen_runs(const int8_t *from, int32_t runs, int32_t pitch, int32_t quads, int16_t *to);
void eq_widen_runs_lx6(const int8_t *from, int32_t runs, int32_t pitch, int32_t quads, int16_t *to);

/* `count` inputs in natural order. Both ends lie anywhere. */
void eq_widen_line(const int8_t *from, int32_t count, int16_t *to);
void eq_widen_line_lx6(const int8_t *from, int32_t count, int16_t *to);

/* `runs` runs of `count` halfwords, `pitch` bytes from one to the next, without a gap. Both ends lie
 * anywhere. */
void eq_copy_runs(const int16_t *from, int32_t runs, int32_t pitch, int32_t count, int16_t *to);
void eq_copy_runs_lx6(const int16_t *from, int32_t runs, int32_t pitch, int32_t count, int16_t *to);

/* The weights of channel `c` of `channels`, each of `count`, for x in natural order. The last are widened in
 * C: nothing behind them is read. */
static inline void eq_widen_channel_natural(const int8_t *weights, int32_t c, int32_t channels, int32_t count,
                                            int32_t shift, int16_t *to) {
    bool more = (uint64_t)(uint32_t)(channels - 1 - c) * (uint32_t)count >= 12;
    (more ? EQ_FAST(eq_widen_natural) : eq_widen_natural)(weights + c * count, count, shift, to);
}

/* The `count` weights of a channel for x in grouped order. Where a model has them at an odd place, in C. */
static inline void eq_widen_channel(const int8_t *from, int32_t count, int32_t shift, int16_t *to) {
    ((uintptr_t)from % 4 ? eq_widen_weights : EQ_FAST(eq_widen_weights))(from, count, shift, to);
}

static inline int16_t *eq_fill(int16_t *to, int32_t count, int32_t value) {
    for (int32_t i = 0; i < count; i++) to[i] = (int16_t)value;
    return to + count;
}

/* Whether what begins at `first` and ends with `last` lies in [0, size). */
static inline bool eq_is_inside(int32_t first, int32_t last, int32_t size) {
    return first >= 0 && last < size;
}

#endif
