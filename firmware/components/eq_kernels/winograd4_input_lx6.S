/* eq_winograd4_input, two channels at once: a pair P = low + high * 65536 goes through the transform in one register.
 *
 * First the columns of the patch, four channels a time, to a buffer on the stack; then its rows to the positions.
 *
 *   columns  a3 a patch's column      a4 buffer   a5 0x00ff00ff   a6 to a11 six words   a2, a12 to a15 temporary
 *   rows     a4 buffer   a5 to        a2 bytes to the next position     a6 to a11 six pairs
 *            a3 0x8000   a12 to a14 temporary
 *
 * One side, of d0 to d5, with g = d4 - d2, h = d1 - d3, ne = 4d2 - d4, nf = 4d1 - d3:
 *   v0 = 4(d0 - d2) + g   v5 = d5 - d3 + 4h   v2 = nf - ne   -v1 = nf + ne   v4 = 2h + g   -v3 = 2h - g
 *
 * The upper half of P + 0x8000 is the pair's second int16, the lower half of P its first. They are stored one by one,
 * for the first of all stands in a word's second half. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define FROM 288 /* on the stack, behind a buffer of 2 * 36 words */
#define AT 292
#define ROW 296
#define COLUMN 300
#define LEFT 304
#define TO 308
#define POSITION 312
#define ZERO 316 /* 6 * (zero point + 128) in both halves */

    .text
    .align 4
.Lsigns:
    .long 0x80808080
.Lbytes:
    .long 0x00ff00ff
.Lhalf:
    .long 0x8000
.Lsixes:
    .long 0x00060006

    .macro even to, from
    and \to, \from, a5
    .endm

    .macro odd to, from
    srli \to, \from, 8
    and \to, \to, a5
    .endm

    /* One column of one pair: rows in the order 0, 5, 2, 1, 3, 4, 24 bytes apart. Six zero points more than it should
     * be is only the fourth: of the other rows the factors add up to 0. */
    .macro column take, place
    \take a12, a6
    \take a13, a8
    \take a14, a10
    sub a15, a14, a13
    sub a12, a12, a13
    addx4 a12, a12, a15
    s32i a12, a4, \place
    subx4 a13, a13, a14
    \take a12, a7
    \take a14, a9
    \take a3, a11
    sub a3, a3, a14
    subx4 a2, a12, a14
    sub a12, a12, a14
    addx4 a3, a12, a3
    s32i a3, a4, \place + 24
    l32i a3, a1, ZERO
    add a14, a2, a13
    sub a2, a2, a13
    s32i a2, a4, \place + 48
    sub a14, a14, a3
    addx2 a3, a12, a15
    s32i a14, a4, \place + 72
    subx2 a12, a12, a15
    s32i a3, a4, \place + 120
    s32i a12, a4, \place + 96
    .endm

    /* Position \index of a row: a2 bytes behind the one before if \step is 0, else \step. Offsets of halves reach 510. */
    .macro put step, value, index
    add a13, \value, a3
    .if (\index) && (\step) && (\step * (\index) & 511) == 0
    addmi a5, a5, 512
    .endif
    s16i \value, a5, \step * (\index) & 511
    extui a13, a13, 16, 16
    s16i a13, a5, (\step * (\index) & 511) + 2
    .if \step == 0
    add a5, a5, a2
    .endif
    .endm

    /* Both pairs' rows. */
    .macro rows step
    align_loop 3
1:  movi a14, 6
    loop a14, 2f
    l32i a8, a4, 8
    l32i a10, a4, 16
    l32i a6, a4, 0
    l32i a7, a4, 4
    sub a12, a10, a8
    subx4 a14, a8, a10
    sub a6, a6, a8
    addx4 a6, a6, a12
    l32i a9, a4, 12
    l32i a11, a4, 20
    put \step, a6, 0
    sub a11, a11, a9
    subx4 a10, a7, a9
    sub a7, a7, a9
    addx4 a11, a7, a11
    put \step, a11, 1
    sub a9, a10, a14
    put \step, a9, 2
    add a10, a10, a14
    put \step, a10, 3
    subx2 a9, a7, a12
    put \step, a9, 4
    addx2 a7, a7, a12
    put \step, a7, 5
    .if \step
    addmi a5, a5, 6 * \step - (5 * \step & ~511)
    .endif
    addi a4, a4, 24
2:  l32i a14, a1, AT
    mov a5, a15
    addi a14, a14, -1
    s32i a14, a1, AT
    bnez a14, 1b
    .endm

    function eq_winograd4_input_lx6
    entry a1, 352
    l32i a3, a2, 0
    l32i a4, a2, 4
    l32i a5, a2, 8
    l32i a6, a2, 12
    l32i a7, a2, 16
    l32i a8, a2, 20
    l32i a9, a2, 24
    s32i a3, a1, FROM
    s32i a4, a1, ROW
    s32i a5, a1, COLUMN
    srli a6, a6, 2
    s32i a6, a1, LEFT
    s32i a7, a1, TO
    s32i a8, a1, POSITION
    l32r a10, .Lsixes
    mull a9, a9, a10
    s32i a9, a1, ZERO

.Lquad:
    l32i a3, a1, FROM
    mov a4, a1
    addi a6, a3, 4
    s32i a6, a1, FROM
    s32i a3, a1, AT
    l32r a5, .Lbytes

.Lcolumn:
    l32i a3, a1, AT
    l32i a12, a1, ROW
    l32i a14, a1, COLUMN
    l32r a13, .Lsigns
    add a14, a3, a14
    s32i a14, a1, AT
    l32i a6, a3, 0
    add a3, a3, a12
    l32i a7, a3, 0
    add a3, a3, a12
    l32i a8, a3, 0
    add a3, a3, a12
    l32i a9, a3, 0
    add a3, a3, a12
    l32i a10, a3, 0
    add a3, a3, a12
    l32i a11, a3, 0
    xor a6, a6, a13
    xor a7, a7, a13
    xor a8, a8, a13
    xor a9, a9, a13
    xor a10, a10, a13
    xor a11, a11, a13
    column even, 0
    column odd, 144
    addi a4, a4, 4
    addi a3, a1, 24
    beq a4, a3, .Lrows
    j .Lcolumn

.Lrows:
    mov a4, a1
    l32i a5, a1, TO
    l32r a3, .Lhalf
    l32i a2, a1, POSITION
    addi a15, a5, 4
    movi a14, 2
    s32i a14, a1, AT
    addi a14, a2, -128
    bnez a14, .Lnot_64_channels
    rows 128
    j .Lrows_done
.Lnot_64_channels:
    addmi a14, a2, -256
    bnez a14, .Lany_channels
    rows 256
    j .Lrows_done
.Lany_channels:
    rows 0
.Lrows_done:
    addi a15, a15, 4
    s32i a15, a1, TO
    l32i a14, a1, LEFT
    addi a14, a14, -1
    s32i a14, a1, LEFT
    bnez a14, .Lquad
    retw
    end_function eq_winograd4_input_lx6

#endif
