/* eq_add_row_table in assembly.
 *
 *   a2  p, then max    a3  a    a4  b    a5  output    a6  elements
 *   a7  table of a     a8  table of b    a9  multiplier    a10 offset    a11 min
 *   a12..a14  values */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define ELEMENTS 0 /* of eq_add_table */
#define MULTIPLIER 4
#define OFFSET 8
#define SHIFT 12
#define SIGN 16
#define MIN 20
#define MAX 24
#define A 28
#define B 32

    .macro row sign
    align_loop
    loop a6, 1f
    l8ui a12, a3, 0
    l8ui a13, a4, 0
    addi a3, a3, 1
    addx4 a12, a12, a7
    addx4 a13, a13, a8
    l32i a12, a12, 0
    l32i a13, a13, 0
    addi a4, a4, 1
    addi a5, a5, 1
    add a12, a12, a13
    mulsh a12, a12, a9
    .if \sign
    addi a13, a12, 1
    srai a13, a13, 31
    addx2 a12, a13, a12
    .endif
    add a12, a12, a10
    sra a12, a12
    max a12, a12, a11
    min a12, a12, a2
    s8i a12, a5, 0
1:  retw
    .endm

    function eq_add_row_table_lx6
    entry a1, 32
    l32i a7, a2, A
    l32i a8, a2, B
    l32i a9, a2, MULTIPLIER
    l32i a10, a2, OFFSET
    l32i a11, a2, MIN
    l32i a12, a2, SHIFT
    l32i a13, a2, SIGN
    l32i a2, a2, MAX
    addi a5, a5, -1
    ssr a12
    bnez a13, .Lsign
    row 0
.Lsign:
    row 1
    end_function eq_add_row_table_lx6

#endif
