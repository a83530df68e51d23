/* eq_copy_runs: in words where both ends lie alike in theirs, else in halfwords.
 *
 *   a2 from    a3 runs left    a4 pitch    a5 halfwords of a run    a6 to    a7 the run    a8 halfwords left of it
 *   a9 pairs of what is copied, a10, a11 values */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

    function eq_copy_runs_lx6
    entry a1, 32
.Lrun:
    mov a7, a2
    mov a8, a5
    xor a9, a2, a6
    add a2, a2, a4
    addi a3, a3, -1
    bbsi a9, 1, .Lhalfwords
    bbci a6, 1, .Lwords
    l16ui a9, a7, 0
    addi a8, a8, -1
    addi a7, a7, 2
    s16i a9, a6, 0
    addi a6, a6, 2
.Lwords:
    srli a9, a8, 2
    align_loop
    loopnez a9, .Lwords_end
    l32i a10, a7, 0
    l32i a11, a7, 4
    addi a7, a7, 8
    s32i a10, a6, 0
    s32i a11, a6, 4
    addi a6, a6, 8
.Lwords_end:
    extui a8, a8, 0, 2
.Lhalfwords:
    srli a9, a8, 1
    align_loop
    loopnez a9, .Lhalfwords_end
    l16ui a10, a7, 0
    l16ui a11, a7, 2
    addi a7, a7, 4
    s16i a10, a6, 0
    s16i a11, a6, 2
    addi a6, a6, 4
.Lhalfwords_end:
    bbsi a8, 0, .Llast
    bnez a3, .Lrun
    retw
.Llast:
    l16ui a10, a7, 0
    s16i a10, a6, 0
    addi a6, a6, 2
    bnez a3, .Lrun
    retw
    end_function eq_copy_runs_lx6

#endif
