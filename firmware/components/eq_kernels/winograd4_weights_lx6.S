/* eq_winograd4_weights, two channels at once: a pair P = low + high * 65536 goes through the transform in one register.
 * Taps count from 0 up (128 added) and two of the lower ones further, so that no lower half of a result is negative.
 *
 *   a5 to, a6 bytes to the next position      a3, a4 temporary, and a2, or a15 where a2 is t
 *   a7 a8 a9, a10 a11 a12, a13 a14 a15        the taps, row by row
 *
 * Rows of positions in the order 0, 5, 2, 1, 3, 4: each but the first two is made in place of one that is done:
 *   a, c;  s = a + c, t = a + 4c;  s - b;  (s - b) + 2b;  u = t + 2b;  2t - u = t - 2b */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "winograd_lx6.inc"

    .text

    /* a3, a4 and \other are temporary. */
    .macro row step, from, first, second, third, other=a2
    put \step, \first, \from
    addx4 \other, \third, \first
    put \step, \third, \from + 1
    add a3, \first, \third
    sub a4, a3, \second
    put \step, a4, \from + 2
    add a3, a3, \second
    put \step, a3, \from + 3
    addx2 a4, \second, \other
    subx2 \other, \other, a4
    put \step, a4, \from + 4
    put \step, \other, \from + 5
    .endm

    .macro pair step
    addmi a7, a7, 1280
    addmi a15, a15, 256
    row \step, 0, a7, a8, a9
    row \step, 6, a13, a14, a15
    addx4 a2, a13, a7   /* t in a2, a13, a14: each c is free once its column is done */
    add a7, a7, a13
    addx4 a13, a14, a8
    add a8, a8, a14
    addx4 a14, a15, a9
    add a9, a9, a15
    sub a7, a7, a10
    sub a8, a8, a11
    sub a9, a9, a12
    row \step, 12, a7, a8, a9, a15
    addx2 a7, a10, a7
    addx2 a8, a11, a8
    addx2 a9, a12, a9
    row \step, 18, a7, a8, a9, a15
    addx2 a10, a10, a2
    addx2 a11, a11, a13
    addx2 a12, a12, a14
    row \step, 24, a10, a11, a12, a15
    subx2 a2, a2, a10
    subx2 a13, a13, a11
    subx2 a14, a14, a12
    row \step, 30, a2, a13, a14, a15
    .endm

    weights eq_winograd4_weights_lx6

#endif
