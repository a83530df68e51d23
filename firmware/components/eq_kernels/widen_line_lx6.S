/* eq_widen_line: byte by byte, four a turn. a2 from, a3 bytes, a4 to, a5 turns, a6 128 */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

    function eq_widen_line_lx6
    entry a1, 32
    movi a6, 128
    srli a5, a3, 2
    align_loop
    loopnez a5, .Lfour_end
    l8ui a8, a2, 0
    l8ui a9, a2, 1
    l8ui a10, a2, 2
    l8ui a11, a2, 3
    xor a8, a8, a6
    xor a9, a9, a6
    xor a10, a10, a6
    xor a11, a11, a6
    s16i a8, a4, 0
    s16i a9, a4, 2
    s16i a10, a4, 4
    s16i a11, a4, 6
    addi a2, a2, 4
    addi a4, a4, 8
.Lfour_end:
    extui a5, a3, 0, 2
    addi a4, a4, -2
    align_loop
    loopnez a5, .Lone_end
    l8ui a8, a2, 0
    addi a2, a2, 1
    addi a4, a4, 2
    xor a8, a8, a6
    s16i a8, a4, 0
.Lone_end:
    retw
    end_function eq_widen_line_lx6

#endif
