/* eq_winograd2_weights, two channels at once, as winograd4_weights_lx6.S, in the order 0, 3, 2, 1:
 *   a, c;  s = a + c;  s - b;  (s - b) + 2b */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "winograd_lx6.inc"

    .text

    .macro row step, from, first, second, third
    put \step, \first, \from
    add a3, \first, \third
    put \step, \third, \from + 1
    sub a4, a3, \second
    put \step, a4, \from + 2
    add a3, a3, \second
    put \step, a3, \from + 3
    .endm

    .macro pair step
    addmi a7, a7, 1280
    addmi a15, a15, 256
    row \step, 0, a7, a8, a9
    row \step, 4, a13, a14, a15
    add a7, a7, a13
    add a8, a8, a14
    add a9, a9, a15
    sub a7, a7, a10
    sub a8, a8, a11
    sub a9, a9, a12
    row \step, 8, a7, a8, a9
    addx2 a7, a10, a7
    addx2 a8, a11, a8
    addx2 a9, a12, a9
    row \step, 12, a7, a8, a9
    .endm

    weights eq_winograd2_weights_lx6

#endif
