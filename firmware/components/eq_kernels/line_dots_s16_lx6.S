/* eq_line_dots_s16 with MAC16, its turn of four products that of dots_s16_lx6.S.
 *
 *   a2  stride      a3  down        a4  x           a5  weights       a6  the next window, one word before its x
 *   a7  quads but the last     a8, a9 free     a10 multiplier  a11 rows left     a12 end of the outputs
 *   a13 from the end of a row to the word before the next             a14 start     a15 output      sar shift
 *   m0, m1  pairs of x              m2, m3  pairs of weights, both grouped
 *
 * Of x each row begins anew: its last four products load the next row's first four values, or the next window's. The
 * weights run on, and behind them their first three stand once more. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define X 0
#define WEIGHTS 4
#define QUADS 8
#define ROWS 12
#define PITCH 16
#define STEP 20
#define PIXELS 24
#define STRIDE 28
#define LOW 32
#define HIGH 36

#define START 0
#define MULTIPLIER 4
#define UP 8
#define DOWN 12
#define SHIFT 16

    /* On the stack. */
#define AT_ROWS 0
#define AT_STEP 4
#define AT_UP 8
#define AT_WEIGHTS 12
#define AT_LOW 16
#define AT_HIGH 20

    .macro four
    mula.dd.lh.ldinc m2, a5, m0, m2
    mula.dd.hl.ldinc m0, a4, m0, m3
    mula.dd.lh.ldinc m3, a5, m1, m3
    mula.dd.hl.ldinc m1, a4, m1, m2
    .endm

    /* One window's rows, and its sum scaled down: what both ends of the loop have in common. */
    .macro window
    l32i a9, a1, AT_STEP
    l32i a11, a1, AT_ROWS
    add a6, a6, a9
2:  addi a11, a11, -1
    loopnez a7, 3f
    four
3:  add a4, a4, a13
    moveqz a4, a6, a11
    four
    bnez a11, 2b
    rsr.acclo a8
    l32i a9, a1, AT_UP
    mulsh a8, a8, a10
    l32i a5, a1, AT_WEIGHTS
    wsr.acclo a14
    movltz a9, a3, a8
    add a8, a8, a9
    .endm

    function eq_line_dots_s16_lx6
    entry a1, 64
    mov a15, a4
    l32i a14, a3, START
    l32i a10, a3, MULTIPLIER
    l32i a8, a3, UP
    l32i a9, a3, SHIFT
    l32i a3, a3, DOWN
    s32i a8, a1, AT_UP
    ssr a9
    l32i a6, a2, X
    l32i a5, a2, WEIGHTS
    l32i a7, a2, QUADS
    addi a6, a6, -4 /* ldinc adds before it loads */
    addi a5, a5, -6 /* and the first weight is a word's second half */
    mov a4, a6
    ldinc m0, a4
    ldinc m1, a4
    ldinc m2, a5
    ldinc m3, a5
    s32i a5, a1, AT_WEIGHTS
    wsr.acclo a14
    l32i a8, a2, ROWS
    l32i a9, a2, STEP
    s32i a8, a1, AT_ROWS
    s32i a9, a1, AT_STEP
    l32i a13, a2, PITCH
    slli a8, a7, 3
    sub a13, a13, a8
    addi a7, a7, -1
    l32i a8, a2, PIXELS
    l32i a9, a2, STRIDE
    mull a12, a8, a9
    add a12, a12, a15
    l32i a8, a2, LOW
    l32i a11, a2, HIGH
    s32i a8, a1, AT_LOW
    s32i a11, a1, AT_HIGH
    mov a2, a9
    sub a8, a11, a8
    addmi a8, a8, -256 /* -1 for the whole range */
    bnei a8, -1, .Lranged

    align_loop 12
.Lwhole:
    window
    sra a8, a8
    clamps a8, a8, 7
    s8i a8, a15, 0
    add a15, a15, a2
    bne a15, a12, .Lwhole
    retw

    align_loop 12
.Lranged:
    window
    l32i a9, a1, AT_LOW
    sra a8, a8
    l32i a11, a1, AT_HIGH
    max a8, a8, a9
    min a8, a8, a11
    s8i a8, a15, 0
    add a15, a15, a2
    bne a15, a12, .Lranged
    retw
    end_function eq_line_dots_s16_lx6

#endif
