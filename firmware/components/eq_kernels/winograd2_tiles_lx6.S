/* eq_winograd2_tiles with MAC16.
 *
 *   a2 p   a3 x   a4 w   a5 groups of 4 channels   a6 to a9 four products   a12 0   a13 to the stack   a14 its end
 *   then  a10 sums   a11 corrections   a6 to a9, a14, a15 temporary */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "winograd_lx6.inc"

#define COLUMNS_AT 4 /* on the stack: 2 columns of 4 */
#define SUMS_AT 36
#define CORRECTIONS_AT 40
#define TILES_LEFT 44

    .text
    /* a6 m0, a7 m3, a8 m2, a9 m1 to a6, a7: sums times 2 */
    .macro sums
    add a15, a9, a8
    sub a9, a9, a8
    addx2 a6, a6, a15
    addx2 a7, a7, a9
    .endm

    .macro column q
    l32i a6, a1, COLUMNS_AT + 16 * \q
    l32i a7, a1, COLUMNS_AT + 16 * \q + 4
    l32i a8, a1, COLUMNS_AT + 16 * \q + 8
    l32i a9, a1, COLUMNS_AT + 16 * \q + 12
    l32i a13, a11, 4 * \q
    l32i a14, a11, 4 * \q + 8
    sums
    sub a6, a6, a13
    sub a7, a7, a14
    sra a6, a6
    sra a7, a7
    .endm

    .macro store q
    column \q
    s32i a6, a10, 4 * \q
    s32i a7, a10, 4 * \q + 8
    .endm

    .macro add_up q
    column \q
    l32i a13, a10, 4 * \q
    l32i a14, a10, 4 * \q + 8
    add a6, a6, a13
    add a7, a7, a14
    s32i a6, a10, 4 * \q
    s32i a7, a10, 4 * \q + 8
    .endm

    function eq_winograd2_tiles_lx6
    entry a1, 80
    begin_tiles SUMS_AT, CORRECTIONS_AT, TILES_LEFT

.Ltile:
    l32i a4, a2, W
    mov a13, a1
    addi a4, a4, -4
    ldinc m2, a4
    ldinc m3, a4
    l32i a5, a2, GROUPS
    movi.n a12, 0 /* short, as addi.n below: so no loop needs a nop */
    addi a14, a1, COLUMNS_AT + 12
    align_loop 3
.Lrow:
    dot a6
    dot a7
    addi.n a13, a13, 4
    dot a8
    dot a9
    sums
    s32i a6, a13, 0
    s32i a7, a13, 16
    bne a13, a14, .Lrow

    l32i a6, a2, ADDS
    l32i a10, a1, SUMS_AT
    l32i a11, a1, CORRECTIONS_AT
    bnez a6, .Ladds
    store 0
    store 1
    j .Ldone
.Ladds:
    add_up 0
    add_up 1
.Ldone:
    l32i a6, a1, TILES_LEFT
    addi a10, a10, 16
    addi a11, a11, 16
    addi a6, a6, -1
    s32i a10, a1, SUMS_AT
    s32i a11, a1, CORRECTIONS_AT
    s32i a6, a1, TILES_LEFT
    bnez a6, .Ltile
    retw
    end_function eq_winograd2_tiles_lx6

#endif
