/* eq_fc_row_s8 with MAC16: seven instructions for four products.
 *
 *   a2  offset      a3  channel     a4  x          a5  weights     a6  second pair of x
 *   a7  quads but the last   a8, a9 free     a10 0x00800080 a11 0x00ff00ff  a12 min    a13 max
 *   a14 output      a15 end of the outputs
 *   m0  (x1, x3)    m1  (256 x0 - x1 + 127, 256 x2 - x3 + 127)     m2  four weights (w0, w1, w2, w3)
 *
 * Between m2's load and its use stand four instructions, m0's three, m1's three. Weights run on from output to
 * output. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define X 0
#define WEIGHTS 4
#define QUADS 8
#define OUTPUTS 12
#define CHANNELS 16
#define OFFSET 20
#define LOW 24
#define HIGH 28

#define START 0
#define MULTIPLIER 4
#define UP 8
#define DOWN 12
#define SHIFT 16
#define CHANNEL_BYTES 20

    function eq_fc_row_s8_lx6
    entry a1, 32
    mov a14, a3
    l32i a15, a2, OUTPUTS
    l32i a6, a2, X
    l32i a5, a2, WEIGHTS
    add a15, a15, a14
    addi a4, a6, -4 /* ldinc adds before it loads */
    addi a5, a5, -4
    addi a6, a6, 4
    ldinc m0, a4
    ldinc m1, a4
    movi a8, 128
    slli a10, a8, 16
    or a10, a10, a8
    movi a8, 255
    slli a11, a8, 16
    or a11, a11, a8
    l32i a7, a2, QUADS
    addi a7, a7, -1
    l32i a3, a2, CHANNELS
    l32i a12, a2, LOW
    l32i a13, a2, HIGH
    l32i a2, a2, OFFSET

    align_loop 15
.Loutput:
    l32i a8, a3, START
    ldinc m2, a5
    mov a4, a6
    add a8, a8, a2
    wsr.acclo a8
    loopnez a7, .Lquads_end
    rsr.m2 a8
    xor a8, a8, a10                         /* w0 + 128 and w2 + 128 in the lower bytes */
    mula.da.ll.ldinc m2, a5, m0, a8
    and a9, a8, a11
    mula.da.hh.ldinc m0, a4, m0, a8
    mula.da.ll m1, a9
    mula.da.hh.ldinc m1, a4, m1, a9
.Lquads_end:
    rsr.m2 a8 /* the last four: nothing behind the weights is read */
    xor a8, a8, a10
    mula.da.ll m0, a8
    and a9, a8, a11
    mula.da.hh.ldinc m0, a4, m0, a8
    mula.da.ll m1, a9
    mula.da.hh.ldinc m1, a4, m1, a9
    l32i a9, a3, MULTIPLIER
    rsr.acclo a8
    l32i a4, a3, DOWN
    mulsh a8, a8, a9
    l32i a9, a3, UP
    movltz a9, a4, a8
    l32i a4, a3, SHIFT
    add a8, a8, a9
    addi a3, a3, CHANNEL_BYTES
    ssr a4
    sra a8, a8
    max a8, a8, a12
    min a8, a8, a13
    s8i a8, a14, 0
    addi a14, a14, 1
    bne a14, a15, .Loutput
    retw
    end_function eq_fc_row_s8_lx6

#endif
