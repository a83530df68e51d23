/* eq_widen_runs: four inputs of a word as two pairs of halfwords, two words a turn.
 *
 *   a2 from    a3 runs left    a4 pitch    a5 words    a6 to    a7 pairs of words    a15 0x80808080, a14 0x00ff00ff */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

    function eq_widen_runs_lx6
    entry a1, 32
    movi a14, 255
    slli a15, a14, 16
    or a14, a14, a15
    movi a15, 128
    slli a8, a15, 8
    or a15, a15, a8
    slli a8, a15, 16
    or a15, a15, a8
    srli a7, a5, 1
.Lrun:
    mov a13, a2
    align_loop
    loopnez a7, .Lpair_end
    l32i a8, a13, 0
    l32i a9, a13, 4
    addi a13, a13, 8
    xor a8, a8, a15
    xor a9, a9, a15
    and a10, a8, a14
    srli a8, a8, 8
    and a8, a8, a14
    s32i a10, a6, 0
    s32i a8, a6, 4
    and a11, a9, a14
    srli a9, a9, 8
    and a9, a9, a14
    s32i a11, a6, 8
    s32i a9, a6, 12
    addi a6, a6, 16
.Lpair_end:
    bbci a5, 0, .Lnext
    l32i a8, a13, 0
    add a2, a2, a4
    addi a3, a3, -1
    xor a8, a8, a15
    and a10, a8, a14
    srli a8, a8, 8
    and a8, a8, a14
    s32i a10, a6, 0
    s32i a8, a6, 4
    addi a6, a6, 8
    bnez a3, .Lrun
    retw
.Lnext:
    add a2, a2, a4
    addi a3, a3, -1
    bnez a3, .Lrun
    retw
    end_function eq_widen_runs_lx6

#endif
