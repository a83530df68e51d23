/* eq_lut_row_s8 in assembly, four elements a turn.
 *
 *   a2  middle of the table    a3  input    a4  output    a5  elements    a6..a9  values    a10 turns */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

    function eq_lut_row_s8_lx6
    entry a1, 32
    srli a10, a5, 2
    extui a5, a5, 0, 2
    align_loop
    loopnez a10, .Lfours_end
    l8ui a6, a3, 0
    l8ui a7, a3, 1
    l8ui a8, a3, 2
    l8ui a9, a3, 3
    sext a6, a6, 7
    sext a7, a7, 7
    sext a8, a8, 7
    sext a9, a9, 7
    add a6, a6, a2
    add a7, a7, a2
    add a8, a8, a2
    add a9, a9, a2
    l8ui a6, a6, 0
    l8ui a7, a7, 0
    l8ui a8, a8, 0
    l8ui a9, a9, 0
    addi a3, a3, 4
    s8i a6, a4, 0
    s8i a7, a4, 1
    s8i a8, a4, 2
    s8i a9, a4, 3
    addi a4, a4, 4
.Lfours_end:
    addi a4, a4, -1
    align_loop
    loopnez a5, .Lend /* three turns at most */
    l8ui a6, a3, 0
    addi a3, a3, 1
    nop
    sext a6, a6, 7
    add a6, a6, a2
    l8ui a6, a6, 0
    addi a4, a4, 1
    nop
    s8i a6, a4, 0
.Lend:
    retw
    end_function eq_lut_row_s8_lx6

#endif
