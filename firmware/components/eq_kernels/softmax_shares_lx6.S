/* eq_softmax_shares in assembly. Both factors are not negative; of the product's halves h and l the rounded upper 33
 * bits are 2h + ((l >> 30) + 1 >> 1), and their rounded quotient needs no sign either.
 *
 *   a2  p, then exponentials    a3  input    a4  n, then half    a5  output    a6  maximum    a7  scale
 *   a8  exponential, then l    a9  h and value    a10 n    a11 input, then where its exponential is
 *
 * A turn makes one share and loads the next one's exponential. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define EXPONENTIALS 0
#define MAXIMUM 4
#define SCALE 8
#define SHIFT 12
#define HALF 16

    .macro place
    sext a11, a11, 7
    sub a11, a6, a11
    addx4 a11, a11, a2
    .endm

    /* Of h in a9 and l in a8, which is free then; the output still to be stored. */
    .macro round
    extui a8, a8, 30, 2
    addi a8, a8, 1
    srli a8, a8, 1
    addx2 a9, a9, a8
    add a9, a9, a4
    .endm

    .macro store
    srl a9, a9
    addi a9, a9, -128
    clamps a9, a9, 7
    s8i a9, a5, 0
    .endm

    function eq_softmax_shares_lx6
    entry a1, 32
    l8ui a11, a3, 0
    addi a10, a4, -1
    l32i a6, a2, MAXIMUM
    l32i a8, a2, SHIFT
    l32i a7, a2, SCALE
    l32i a4, a2, HALF
    l32i a2, a2, EXPONENTIALS
    addi a3, a3, 1
    ssr a8
    place
    l32i a8, a11, 0
    align_loop
    loopnez a10, .Lend
    l8ui a11, a3, 0
    addi a3, a3, 1
    mulsh a9, a8, a7
    mull a8, a8, a7
    place
    round
    l32i a8, a11, 0
    store
    addi a5, a5, 1
.Lend:
    mulsh a9, a8, a7
    mull a8, a8, a7
    round
    store
    retw
    end_function eq_softmax_shares_lx6

#endif
