/* eq_winograd2_input, two channels at once: first the columns of the patch, four channels a time, to a buffer on the
 * stack; then its rows to the positions.
 *
 *   columns  a3 a patch's column      a4 buffer   a5 0x00ff00ff   a6 to a9 four words    a2, a10 to a15 temporary
 *   rows     a4 buffer   a5 to        a2 bytes to the next position     a6 to a9 four pairs   a3 0x8000   a10 temporary
 *
 * One side: v0 = d0 - d2, v3 = d3 - d1, v2 = d2 - d1, v1 = d1 + d2.
 *
 * Pairs are stored as in winograd4_input_lx6.S. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define FROM 128 /* on the stack, behind a buffer of 2 * 16 words */
#define AT 132
#define ROW 136
#define COLUMN 140
#define LEFT 144
#define TO 148
#define POSITION 152
#define ZERO 156 /* 2 * (zero point + 128) in both halves */

    .text
    .align 4
.Lsigns:
    .long 0x80808080
.Lbytes:
    .long 0x00ff00ff
.Lhalf:
    .long 0x8000
.Ltwos:
    .long 0x00020002

    .macro even to, from
    and \to, \from, a5
    .endm

    .macro odd to, from
    srli \to, \from, 8
    and \to, \to, a5
    .endm

    /* One column of one pair: rows in the order 0, 3, 2, 1, 16 bytes apart. Two zero points more than it should be is
     * only the last: of the other rows the factors add up to 0. */
    .macro column take, place
    \take a10, a6
    \take a11, a7
    \take a12, a8
    \take a13, a9
    sub a10, a10, a12
    s32i a10, a4, \place
    sub a13, a13, a11
    s32i a13, a4, \place + 16
    sub a10, a12, a11
    s32i a10, a4, \place + 32
    add a11, a11, a12
    sub a11, a11, a15
    s32i a11, a4, \place + 48
    .endm

    .macro put value
    add a10, \value, a3
    s16i \value, a5, 0
    extui a10, a10, 16, 16
    s16i a10, a5, 2
    add a5, a5, a2
    .endm

    function eq_winograd2_input_lx6
    entry a1, 192
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
    l32r a10, .Ltwos
    mull a9, a9, a10
    s32i a9, a1, ZERO

.Lquad:
    l32i a3, a1, FROM
    mov a4, a1
    addi a6, a3, 4
    s32i a6, a1, FROM
    s32i a3, a1, AT
    l32r a5, .Lbytes

    l32i a15, a1, ZERO

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
    xor a6, a6, a13
    xor a7, a7, a13
    xor a8, a8, a13
    xor a9, a9, a13
    column even, 0
    column odd, 64
    addi a4, a4, 4
    addi a3, a1, 16
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
    align_loop 3
.Lpair:
    movi a14, 4
    loop a14, .Lrow_end
    l32i a6, a4, 0
    l32i a8, a4, 8
    l32i a7, a4, 4
    l32i a9, a4, 12
    sub a6, a6, a8
    put a6
    sub a9, a9, a7
    put a9
    sub a9, a8, a7
    put a9
    add a8, a8, a7
    put a8
    addi a4, a4, 16
.Lrow_end:
    l32i a14, a1, AT
    mov a5, a15
    addi a14, a14, -1
    s32i a14, a1, AT
    bnez a14, .Lpair
    addi a15, a15, 4
    s32i a15, a1, TO
    l32i a14, a1, LEFT
    addi a14, a14, -1
    s32i a14, a1, LEFT
    bnez a14, .Lquad
    retw
    end_function eq_winograd2_input_lx6

#endif
