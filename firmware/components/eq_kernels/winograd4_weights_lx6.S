/* eq_winograd4_weights, two channels at once: a pair P = low + high * 65536 goes through the transform in one register.
 * Taps count from 0 up (128 added) and two of the lower ones further, so that no lower half of a result is negative.
 *
 *   a5 to, a6 bytes to the next position      a2, a3, a4 temporary
 *   a7 a8 a9, a10 a11 a12, a13 a14 a15        the taps, row by row
 *
 * Rows of positions in the order 0, 5, 2, 1, 3, 4: each but the first two is made in place of one that is done:
 *   a, c;  s = a + c, t = a + 4c;  s - b;  (s - b) + 2b;  u = t + 2b;  2t - u = t - 2b */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "winograd_lx6.inc"

    .text
    .align 4
.Lsigns:
    .long 0x80808080
.Lbytes:
    .long 0x00ff00ff

    .macro row step, first, second, third
    put \step, \first, 0
    addx4 a2, \third, \first
    put \step, \third, 1
    add a3, \first, \third
    sub a4, a3, \second
    put \step, a4, 2
    add a3, a3, \second
    put \step, a3, 3
    addx2 a4, \second, a2
    subx2 a2, a2, a4
    .if \step == 256 /* an offset is at most 1020 */
    addmi a5, a5, 1024
    put \step, a4, 4 - 4
    put \step, a2, 5 - 4
    addmi a5, a5, 512
    .else
    put \step, a4, 4
    put \step, a2, 5
    .if \step
    addmi a5, a5, 6 * \step
    .endif
    .endif
    .endm

    .macro pair step
    addmi a7, a7, 1280
    addmi a15, a15, 256
    row \step, a7, a8, a9
    row \step, a13, a14, a15
    addx4 a2, a13, a7   /* t in a2, a13, a14: each c is free once its column is done */
    add a7, a7, a13
    addx4 a13, a14, a8
    add a8, a8, a14
    addx4 a14, a15, a9
    add a9, a9, a15
    mov a15, a2
    sub a7, a7, a10
    sub a8, a8, a11
    sub a9, a9, a12
    row \step, a7, a8, a9
    addx2 a7, a10, a7
    addx2 a8, a11, a8
    addx2 a9, a12, a9
    row \step, a7, a8, a9
    addx2 a10, a10, a15
    addx2 a11, a11, a13
    addx2 a12, a12, a14
    row \step, a10, a11, a12
    subx2 a15, a15, a10
    subx2 a13, a13, a11
    subx2 a14, a14, a12
    row \step, a15, a13, a14
    .endm

    .macro quads step
1:  l32i a2, a1, TAPS
    l32i a3, a1, STRIDE
    l32r a4, .Lsigns
    l32r a5, .Lbytes
    addi a6, a2, 4
    s32i a6, a1, TAPS
    taps a7, a8, a9, 0
    taps a10, a11, a12, 12
    taps a13, a14, a15, 24
    l32i a5, a1, TO
    .if \step == 0
    l32i a6, a1, POSITION
    .endif
    pair \step
    l32i a5, a1, TO
    l32i a7, a1, 0
    l32i a8, a1, 4
    l32i a9, a1, 8
    l32i a10, a1, 12
    l32i a11, a1, 16
    l32i a12, a1, 20
    l32i a13, a1, 24
    l32i a14, a1, 28
    l32i a15, a1, 32
    addi a2, a5, 8
    s32i a2, a1, TO
    addi a5, a5, 4
    pair \step
    l32i a2, a1, LEFT
    addi a2, a2, -1
    s32i a2, a1, LEFT
    beqz a2, 2f
    j 1b
2:  retw
    .endm

    .global eq_winograd4_weights_lx6
    .type eq_winograd4_weights_lx6, @function
    .align 4
eq_winograd4_weights_lx6:
    entry a1, 96
    s32i a2, a1, TAPS
    s32i a3, a1, STRIDE
    add a6, a4, a4
    s32i a6, a1, POSITION
    srli a7, a4, 2
    s32i a7, a1, LEFT
    s32i a5, a1, TO
    movi a8, 64
    bne a4, a8, 1f
    j .Lsixty_four
1:  movi a8, 128
    bne a4, a8, 1f
    j .Lhundred_and_twenty_eight
1:
    quads 0
.Lsixty_four:
    quads 128
.Lhundred_and_twenty_eight:
    quads 256
    .size eq_winograd4_weights_lx6, . - eq_winograd4_weights_lx6

#endif
