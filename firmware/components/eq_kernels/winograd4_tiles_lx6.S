/* eq_winograd4_tiles with MAC16.
 *
 *   a2 p   a3 x   a4 w   a5 groups of 4 channels   a6 to a11 six products   a12 0   a13 to the stack   a14 its end
 *
 * A row gives sums times 24, 12, 6, 6, of which all but the second are negative: two dot products that are wanted as
 * sum and difference leave the sum in the accumulator, and twice the first less the sum is the difference.
 *
 * The second half, the columns: a4 sums, a5 corrections, a12 to a14 the inverse of 9, or its negative, times powers of
 * two. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "winograd_lx6.inc"

#define COLUMNS_AT 4 /* on the stack: 4 columns of 6 */
#define SUMS_AT 100
#define CORRECTIONS_AT 104
#define TILES_LEFT 108

    .text
    .align 4
.Linverse_of_9:
    .long 0x38e38e39
.Lnegative: /* of it */
    .long 0xc71c71c7

    .macro column q
    l32i a6, a1, COLUMNS_AT + 24 * \q
    l32i a11, a1, COLUMNS_AT + 24 * \q + 4
    l32i a8, a1, COLUMNS_AT + 24 * \q + 8
    l32i a7, a1, COLUMNS_AT + 24 * \q + 12
    l32i a9, a1, COLUMNS_AT + 24 * \q + 16
    l32i a10, a1, COLUMNS_AT + 24 * \q + 20
    addx2 a6, a6, a6
    addx2 a11, a11, a11
    add a15, a7, a8
    sub a7, a7, a8
    sub a8, a10, a9
    add a9, a9, a10
    addx4 a10, a7, a8
    addx2 a6, a6, a10
    subx2 a10, a15, a9
    add a7, a7, a8
    sub a11, a11, a9
    addx2 a11, a11, a15
    l32i a15, a5, 4 * \q
    l32i a8, a5, 4 * \q + 16
    l32i a9, a5, 4 * \q + 32
    mull a6, a6, a12
    mull a10, a10, a13
    mull a7, a7, a14
    mull a11, a11, a14
    sub a6, a6, a15
    l32i a15, a5, 4 * \q + 48
    sub a10, a10, a8
    sub a7, a7, a9
    sra a6, a6
    sub a11, a11, a15
    sra a10, a10
    sra a7, a7
    sra a11, a11
    .endm

    .macro store q
    s32i a6, a4, 4 * \q
    s32i a10, a4, 4 * \q + 16
    s32i a7, a4, 4 * \q + 32
    s32i a11, a4, 4 * \q + 48
    .endm

    .macro add_up q
    l32i a8, a4, 4 * \q
    l32i a9, a4, 4 * \q + 16
    l32i a15, a4, 4 * \q + 32
    add a6, a6, a8
    l32i a8, a4, 4 * \q + 48
    add a10, a10, a9
    add a7, a7, a15
    add a11, a11, a8
    store \q
    .endm

    /* Inverses of 9 times powers of two, and negative but for column 1, the only one whose sums are not. */
    .macro columns how
    l32r a12, .Lnegative
    slli a13, a12, 1
    slli a14, a12, 2
    column 0
    \how 0
    slli a12, a12, 2
    slli a13, a13, 2
    slli a14, a14, 2
    column 2
    \how 2
    column 3
    \how 3
    l32r a14, .Linverse_of_9
    slli a12, a14, 1
    slli a13, a14, 2
    slli a14, a14, 3
    column 1
    \how 1
    .endm

    function eq_winograd4_tiles_lx6
    entry a1, 144
    begin_tiles SUMS_AT, CORRECTIONS_AT, TILES_LEFT

.Ltile:
    l32i a4, a2, W
    l32i a5, a2, GROUPS
    mov a13, a1
    addi a4, a4, -4
    ldinc m2, a4
    ldinc m3, a4
    movi a12, 0
    addi a14, a1, COLUMNS_AT + 20
    align_loop 3
.Lrow:
    dot a6
    addx2 a6, a6, a6    /* 3 m0 */
    dot a11
    addx2 a11, a11, a11 /* 3 m5 */
    dot a8
    addi a13, a13, 4
    sub a15, a13, a14
    dot_on a7           /* m2 + m1 */
    subx2 a8, a8, a7    /* m2 - m1 */
    dot a9
    subx2 a6, a8, a6    /* -3 m0 + 2 m2 - 2 m1 */
    addx2 a11, a11, a7  /* 6 m5 + m2 + m1 */
    dot_on a10          /* m3 + m4 */
    subx2 a9, a9, a10   /* m3 - m4 */
    subx2 a7, a7, a10
    addx2 a6, a6, a9
    add a8, a8, a9
    subx2 a11, a10, a11
    s32i a6, a13, 0
    s32i a7, a13, 24
    s32i a8, a13, 48
    s32i a11, a13, 72
    bnez a15, .Lrow

    l32i a6, a2, ADDS
    l32i a4, a1, SUMS_AT
    l32i a5, a1, CORRECTIONS_AT
    bnez a6, .Ladds
    columns store
    j .Ldone
.Ladds:
    columns add_up
.Ldone:
    l32i a6, a1, TILES_LEFT
    addi a4, a4, 64
    addi a5, a5, 64
    addi a6, a6, -1
    s32i a4, a1, SUMS_AT
    s32i a5, a1, CORRECTIONS_AT
    s32i a6, a1, TILES_LEFT
    bnez a6, .Ltile
    retw
    end_function eq_winograd4_tiles_lx6

#endif
