/* eq_winograd_outputs_s8: ten instructions an output, twelve where a negative value has an addend of its own.
 *
 *   a2 p   a3 sums   a4 addend of a negative   a5 rows left   a6 start   a7 multiplier   a8 addend   a9 min   a10 max
 *   a11 bytes to the next pixel   a12 the output before   a13 columns   a14, a15 temporary */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define SUMS 0
#define PLACES 4
#define TILES 8
#define OUTPUT 12
#define ROW 16
#define COLUMN 20
#define SIDE 24
#define CHANNEL 28
#define MIN 32
#define MAX 36

#define START 0 /* of a channel */
#define MULTIPLIER 4
#define UP 8
#define DOWN 12
#define SHIFT 16

#define LEFT 0 /* on the stack: tiles left, where this tile's sums start, where this row's, its outputs, the place */
#define TILE 4
#define LINE 8
#define OUTPUTS 12
#define PLACE 16

    function eq_winograd_outputs_s8_lx6
    entry a1, 64
    l32i a14, a2, CHANNEL
    l32i a3, a2, SUMS
    l32i a13, a2, PLACES
    l32i a5, a2, TILES
    l32i a15, a14, SHIFT
    l32i a6, a14, START
    l32i a7, a14, MULTIPLIER
    ssr a15
    l32i a8, a14, UP
    l32i a4, a14, DOWN
    l32i a9, a2, MIN
    l32i a10, a2, MAX
    l32i a11, a2, COLUMN
    s32i a13, a1, PLACE
    s32i a3, a1, TILE
    s32i a5, a1, LEFT

    align_loop 36 /* and so the other loop, 36 bytes further on */
.Ltile:
    l32i a15, a1, PLACE
    l32i a14, a2, OUTPUT
    l32i a12, a15, 0
    l32i a5, a15, 4
    l32i a13, a15, 8
    addi a15, a15, 12
    s32i a15, a1, PLACE
    sub a12, a12, a11
    add a12, a12, a14

.Lrow:
    s32i a3, a1, LINE
    s32i a12, a1, OUTPUTS
    bne a4, a8, .Ltwo_addends

    loop a13, .Lend
    l32i a14, a3, 0
    addi a3, a3, 4
    add a12, a12, a11
    add a14, a14, a6
    mulsh a14, a14, a7
    add a14, a14, a8
    sra a14, a14
    max a14, a14, a9
    min a14, a14, a10
    s8i a14, a12, 0
.Lend:
    j .Lrow_done

.Ltwo_addends:
    loop a13, .Lend_of_two
    l32i a14, a3, 0
    addi a3, a3, 4
    add a12, a12, a11
    mov a15, a8
    add a14, a14, a6
    mulsh a14, a14, a7
    movltz a15, a4, a14
    add a14, a14, a15
    sra a14, a14
    max a14, a14, a9
    min a14, a14, a10
    s8i a14, a12, 0
.Lend_of_two:

.Lrow_done:
    l32i a3, a1, LINE
    l32i a14, a2, SIDE
    l32i a12, a1, OUTPUTS
    l32i a15, a2, ROW
    addi a5, a5, -1
    addx4 a3, a14, a3
    add a12, a12, a15
    bnez a5, .Lrow

    l32i a3, a1, TILE
    mull a14, a14, a14
    l32i a15, a1, LEFT
    addx4 a3, a14, a3
    addi a15, a15, -1
    s32i a3, a1, TILE
    s32i a15, a1, LEFT
    bnez a15, .Ltile
    retw
    end_function eq_winograd_outputs_s8_lx6

#endif
