/* eq_widen_natural: the first weight alone, then four weights of a word as two pairs of halfwords, two words a turn.
 *
 *   a2 from    a4 shift, free    a5 to    a6 where the first stands again    a7 pairs of words
 *   a8, a9 words as they lie     a12, a13 words of weights                   a10, a11, a14, a15 constants */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "widen_lx6.inc"

    function eq_widen_natural_lx6
    entry a1, 32
    l8ui a9, a2, 0
    addi a5, a5, -2 /* to a word: the first weight is its second half */
    addi a3, a3, 3
    srli a3, a3, 2  /* words */
    slli a6, a3, 3
    add a6, a6, a5
    sext a9, a9, 7
    ssl a4
    sll a9, a9
    s16i a9, a5, 2
    addi a7, a3, 1
    srli a7, a7, 1
    addi a2, a2, 1
    ssa8l a2
    extui a8, a2, 0, 2
    sub a2, a2, a8
    l32i a8, a2, 0
    constants_by_256
    mov a3, a5
    addi a5, a5, -12
    bnei a4, 8, .Lby_four

    align_loop
    loop a7, .Lby_256_end
    l32i a9, a2, 4
    addi a2, a2, 8
    addi a5, a5, 16
    src a12, a9, a8
    l32i a8, a2, 0
    slli a14, a12, 8
    and a12, a12, a10
    and a14, a14, a10
    src a13, a8, a9
    s32i a12, a5, 4
    s32i a14, a5, 0
    slli a15, a13, 8
    and a13, a13, a10
    and a15, a15, a10
    s32i a13, a5, 12
    s32i a15, a5, 8
.Lby_256_end:
    j .Lagain

.Lby_four:
    constants_by_four
    align_loop
    loop a7, .Lby_four_end
    l32i a9, a2, 4
    addi a2, a2, 8
    addi a5, a5, 16
    src a12, a9, a8
    l32i a8, a2, 0
    xor a12, a12, a4
    and a14, a12, a11
    srli a12, a12, 8
    and a12, a12, a11
    addx4 a14, a14, a10
    addx4 a12, a12, a10
    xor a14, a14, a15
    xor a12, a12, a15
    src a13, a8, a9
    s32i a14, a5, 0
    s32i a12, a5, 4
    xor a13, a13, a4
    and a14, a13, a11
    srli a13, a13, 8
    and a13, a13, a11
    addx4 a14, a14, a10
    addx4 a13, a13, a10
    xor a14, a14, a15
    xor a13, a13, a15
    s32i a14, a5, 8
    s32i a13, a5, 12
.Lby_four_end:

.Lagain:
    l16ui a8, a3, 2
    l32i a9, a3, 4
    s16i a8, a6, 2
    s32i a9, a6, 4
    retw
    end_function eq_widen_natural_lx6

#endif
