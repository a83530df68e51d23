/* eq_widen_weights: four weights of a word as two pairs of halfwords, two words a turn. A word that is stored has the
 * second half of the pair before and the first half of the next.
 *
 *   a2 from    a4 shift, free    a5 to    a6 its beginning    a7 words      a8 the second pair of the word before
 *   a9 the first pair            a12, a13 words as they lie   a3 a word that is stored      a10, a11, a15 constants
 *   sar 16 */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "widen_lx6.inc"

    .macro by_256 word, at
    slli a9, \word, 8
    and a9, a9, a10
    src a3, a9, a8
    and a8, \word, a10
    s32i a3, a5, \at
    src a3, a8, a9
    s32i a3, a5, \at + 4
    .endm

    .macro by_four word, at
    xor \word, \word, a4
    and a9, \word, a11
    srli \word, \word, 8
    and \word, \word, a11
    addx4 a9, a9, a10
    addx4 \word, \word, a10
    xor a9, a9, a15
    src a3, a9, a8
    xor a8, \word, a15
    s32i a3, a5, \at
    src a3, a8, a9
    s32i a3, a5, \at + 4
    .endm

    .macro words how
    bbci a7, 0, 1f
    l32i a12, a2, 0
    addi a2, a2, 4
    \how a12, 16
    addi a5, a5, 8
1:  srli a7, a7, 1
    align_loop
    loopnez a7, 2f
    l32i a12, a2, 0
    l32i a13, a2, 4
    addi a2, a2, 8
    addi a5, a5, 16
    \how a12, 0
    \how a13, 8
2:
    .endm

    function eq_widen_weights_lx6
    entry a1, 32
    srli a7, a3, 2
    addi a6, a5, -2
    addi a5, a5, -18
    ssai 16
    constants_by_256
    bnei a4, 8, .Lby_four
    words by_256
    j .Lagain

.Lby_four:
    constants_by_four
    words by_four

    /* The first three once more. */
.Lagain:
    l32i a9, a6, 0
    l32i a12, a6, 4
    extui a9, a9, 16, 16
    src a9, a9, a8
    s32i a9, a5, 16
    s32i a12, a5, 20
    retw
    end_function eq_widen_weights_lx6

#endif
