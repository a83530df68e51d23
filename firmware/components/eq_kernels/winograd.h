/* The parts of 3x3 convolutions by Winograd's minimal filtering: int16 transforms, their products, and the
 * way from sums to outputs. docs/kernels.md has the matrices and why the results are exact.
 *
 * A transformed tile is [positions][channels], position by position without a gap, in the order of ORDER[i] *
 * side + ORDER[j]. Channels stand in fours in the order 0, 2, 1, 3, which is how a word of four int8 falls
 * apart into pairs. Of the input's tiles the first value is the second half of a word, of the weights' the
 * first: so no instruction of their products uses what the two before it load.
 *
 * The field offsets are known to the .S files. */
#ifndef EQ_WINOGRAD_H
#define EQ_WINOGRAD_H

#include "eq_kernels.h"

/* Where a patch of the input lies, and where it goes. Channels is a multiple of 4, from on a 4-byte boundary.
 */
typedef struct eq_winograd_patch {
    const int8_t *from;
    int32_t row, column; /* bytes to the next row and to the next pixel */
    int32_t channels;
    int16_t *to;
    int32_t position; /* bytes to the next position */
    int32_t zero;     /* zero point + 128 */
} eq_winograd_patch;

/* Some tiles and one output channel. */
typedef struct eq_winograd_tiles {
    const int16_t *x; /* tiles, one behind the other; up to 8 bytes behind the last may be read */
    const int16_t *w; /* up to 8 bytes behind the end may be read */
    int32_t groups;   /* of 4 channels */
    int32_t tiles;
    int32_t *sums;              /* [tiles][outputs of a tile] */
    const int32_t *corrections; /* likewise */
    int32_t shift;
    int32_t adds;
} eq_winograd_tiles;

/* A tile's place in the output: its first byte from the tensor's, and how much of it lies inside. */
typedef struct eq_winograd_place {
    int32_t offset, rows, columns;
} eq_winograd_place;

/* Sums times 4 of one channel, and its outputs. */
typedef struct eq_winograd_outputs {
    const int32_t *sums; /* [tiles][side][side] */
    const eq_winograd_place *places;
    int32_t tiles;
    int8_t *output;      /* the channel's first */
    int32_t row, column; /* bytes to the output's next row and to its next pixel */
    int32_t side;
    const eq_scaled_channel *channel;
    int32_t min, max;
} eq_winograd_outputs;

/* The 3x3 taps of one output channel, `stride` bytes apart and on 4-byte boundaries, to positions: 16 for
 * tiles of 2x2 outputs, 36 for tiles of 4x4. What is added to some of them is the same for all weights, so
 * that those of a kernel of zeros are the correction. */
void eq_winograd2_weights(const int8_t *taps, int32_t stride, int32_t channels, int16_t *to);
void eq_winograd2_weights_lx6(const int8_t *taps, int32_t stride, int32_t channels, int16_t *to);
void eq_winograd4_weights(const int8_t *taps, int32_t stride, int32_t channels, int16_t *to);
void eq_winograd4_weights_lx6(const int8_t *taps, int32_t stride, int32_t channels, int16_t *to);

/* A patch of 4x4 or 6x6 pixels to positions. */
void eq_winograd2_input(const eq_winograd_patch *p);
void eq_winograd2_input_lx6(const eq_winograd_patch *p);
void eq_winograd4_input(const eq_winograd_patch *p);
void eq_winograd4_input_lx6(const eq_winograd_patch *p);

/* A dot product for each position of each tile, and from them sums times 4 or, of 4x4 outputs, times 64; the
 * corrections less, shifted to the right, stored or added to what is there. */
void eq_winograd2_tiles(const eq_winograd_tiles *p);
void eq_winograd2_tiles_lx6(const eq_winograd_tiles *p);
void eq_winograd4_tiles(const eq_winograd_tiles *p);
void eq_winograd4_tiles_lx6(const eq_winograd_tiles *p);

void eq_winograd_outputs_s8(const eq_winograd_outputs *p);
void eq_winograd_outputs_s8_lx6(const eq_winograd_outputs *p);

#endif
