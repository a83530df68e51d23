/* eq_dots_s16 with MAC16: one multiply-accumulate an instruction, each with a 32-bit load in it.
 *
 *   a2  stride      a3  down        a4  x          a5  weights     a6  their second word
 *   a7  quads       a8, a9 free     a10 multiplier a11 up          a12 end of the outputs
 *   a14 start       a15 output      sar shift
 *   m0, m1  pairs of x: (x0, x1), (x2, x3)      m2, m3  pairs of weights: (w-1, w0), (w1, w2), as they lie
 *
 * A turn of the loop, four products. Pairs of x and of weights begin in turns, so that a load has two instructions
 * before its use.
 *
 *   first    x0 * w0    loads m2 with (w3, w4)     used in the fourth and the next turn's first
 *   second   x1 * w1    loads m0 with (x4, x5)     the next turn's first and second
 *   third    x2 * w2    loads m3 with (w5, w6)     the next turn's second and third
 *   fourth   x3 * w3    loads m1 with (x6, x7)     the next turn's third and fourth
 *
 * x runs on from window to window, and behind the weights their first three stand once more: what a window's last turn
 * has loaded is what the next window begins with. Only the low 32 bits of the accumulator count, as in C. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define X 0
#define WEIGHTS 4
#define QUADS 8
#define NATURAL 12
#define PIXELS 16
#define STRIDE 20
#define LOW 24
#define HIGH 28

#define START 0
#define MULTIPLIER 4
#define UP 8
#define DOWN 12
#define SHIFT 16

    /* x grouped as the weights: (x0,x2) (x1,x3) by (,w0) (w2,w1) (w3,) */
    .macro grouped
    mula.dd.lh.ldinc m2, a5, m0, m2
    mula.dd.hl.ldinc m0, a4, m0, m3
    mula.dd.lh.ldinc m3, a5, m1, m3
    mula.dd.hl.ldinc m1, a4, m1, m2
    .endm

    /* x in its natural order: (x0,x1) (x2,x3) by (,w0) (w1,w3) (w2,) */
    .macro natural
    mula.dd.lh.ldinc m2, a5, m0, m2
    mula.dd.hl.ldinc m0, a4, m0, m3
    mula.dd.hh.ldinc m3, a5, m1, m3
    mula.dd.ll.ldinc m1, a4, m1, m2
    .endm

    /* All pixels, of sums that round alike whatever their sign, to [-128, 127]. */
    .macro pixels_alike order
    align_loop
1:  loop a7, 2f
    \order
2:  rsr.acclo a8
    mov a5, a6
    mulsh a8, a8, a10
    wsr.acclo a14
    add a8, a8, a11
    sra a8, a8
    clamps a8, a8, 7
    s8i a8, a15, 0
    add a15, a15, a2
    bne a15, a12, 1b
    retw
    .endm

    /* To [-128, 127]. */
    .macro pixels_signed order
    align_loop
1:  loop a7, 2f
    \order
2:  rsr.acclo a8
    mov a9, a11
    mulsh a8, a8, a10
    mov a5, a6
    wsr.acclo a14
    movltz a9, a3, a8
    add a8, a8, a9
    sra a8, a8
    clamps a8, a8, 7
    s8i a8, a15, 0
    add a15, a15, a2
    bne a15, a12, 1b
    retw
    .endm

    /* To any range, whose ends are on the stack. */
    .macro pixels_ranged order
    align_loop
1:  loop a7, 2f
    \order
2:  rsr.acclo a8
    mov a9, a11
    mulsh a8, a8, a10
    mov a5, a6
    wsr.acclo a14
    movltz a9, a3, a8
    add a8, a8, a9
    l32i a9, a1, 0
    sra a8, a8
    max a8, a8, a9
    min a8, a8, a13
    s8i a8, a15, 0
    add a15, a15, a2
    bne a15, a12, 1b
    retw
    .endm

    function eq_dots_s16_lx6
    entry a1, 48
    mov a15, a4
    l32i a14, a3, START
    l32i a10, a3, MULTIPLIER
    l32i a11, a3, UP
    l32i a8, a3, SHIFT
    l32i a3, a3, DOWN
    ssr a8
    l32i a4, a2, X
    l32i a6, a2, WEIGHTS
    addi a4, a4, -4 /* ldinc adds before it loads */
    addi a5, a6, -6 /* and the first weight is a word's second half */
    addi a6, a6, 2
    ldinc m0, a4
    ldinc m1, a4
    ldinc m2, a5
    ldinc m3, a5
    wsr.acclo a14
    l32i a7, a2, QUADS
    l32i a8, a2, PIXELS
    l32i a9, a2, STRIDE
    mull a12, a8, a9
    add a12, a12, a15
    l32i a8, a2, LOW
    l32i a13, a2, HIGH
    s32i a8, a1, 0
    sub a8, a13, a8
    addmi a8, a8, -256 /* -1 for the whole range */
    addi a8, a8, 1
    l32i a5, a2, NATURAL
    mov a2, a9
    bnez a5, .Lnatural
    mov a5, a6
    bnez a8, .Lgrouped_ranged
    bne a3, a11, .Lgrouped_signed
    pixels_alike grouped
.Lgrouped_signed:
    pixels_signed grouped
.Lgrouped_ranged:
    pixels_ranged grouped
.Lnatural:
    mov a5, a6
    bnez a8, .Lnatural_ranged
    bne a3, a11, .Lnatural_signed
    pixels_alike natural
.Lnatural_signed:
    pixels_signed natural
.Lnatural_ranged:
    pixels_ranged natural
    end_function eq_dots_s16_lx6

#endif
