/* eq_softmax_sum in assembly: exponentials are not negative, so that half of what is cut off rounds.
 *
 *   a2  exponentials, then sum    a3  input    a4  n    a5  where the maximum goes    a6  maximum    a7  input again
 *   a8  value    a9  the turn before's part of the sum    a10 half    a11 exponentials
 *   a12 what the turn before has loaded */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

    function eq_softmax_sum_lx6
    entry a1, 32
    movi a6, -128
    mov a7, a3
    mov a11, a2
    mov a12, a6
    align_loop
    loop a4, .Lmax_end
    l8ui a8, a3, 0
    addi a3, a3, 1
    max a6, a6, a12
    sext a12, a8, 7
.Lmax_end:
    max a6, a6, a12
    s32i a6, a5, 0
    movi a2, 0
    movi a12, 0
    movi a10, 2047
    addi a10, a10, 1
    align_loop
    loop a4, .Lsum_end
    l8ui a8, a7, 0
    addi a7, a7, 1
    add a9, a12, a10
    sext a8, a8, 7
    sub a8, a6, a8
    addx4 a8, a8, a11
    l32i a12, a8, 0
    srli a9, a9, 12 /* EQ_SOFTMAX_SUM_BITS */
    add a2, a2, a9
.Lsum_end:
    add a9, a12, a10
    srli a9, a9, 12
    add a2, a2, a9
    retw
    end_function eq_softmax_sum_lx6

#endif
