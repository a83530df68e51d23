/* eq_conv_row_s16 with MAC16: one multiply-accumulate an instruction, each with a 32-bit load in it.
 *
 *   a2  row          a3  bytes from the first pixel      a4  x          a5  weights
 *   a6  channel      a7  channels left                   a8  segment    a9  segments left
 *   a10 groups       a11 zero point   a12 min  a13 max   a14 scratch    a15 output
 *   m0, m1  pairs of x: (x0, x1), (x2, x3)          m2, m3  pairs of weights: (w0, w1), (w2, w3)
 *
 * The loop, four products a turn. At least one instruction stands between a load and its use: ESP-DSP's dot product,
 * which has two loads without one, takes half a cycle more for each product (docs/kernels.md).
 *
 *   instruction                 product    loads     used in
 *   ll.ldinc m3, a5, m0, m2     x0 * w0    (w2,w3)   2 and 3
 *   hh.ldinc m0, a4, m0, m2     x1 * w1    (x4,x5)   the next 0 and 1
 *   ll.ldinc m2, a5, m1, m3     x2 * w2    (w4,w5)   the next 0 and 1
 *   hh.ldinc m1, a4, m1, m3     x3 * w3    (x6,x7)   the next 2 and 3
 *
 * No pair is read, loaded and read again in one turn: QEMU 7.2 would go on with the old one (docs/kernels.md). Only
 * the low 32 bits of the accumulator count, as in C. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#define PIXELS 0
#define CHANNELS 4
#define STEP 8
#define OUTPUT_STRIDE 12
#define GROUPS 16
#define SEGMENTS 20
#define WEIGHTS 24
#define CHANNEL 28
#define OUTPUT 32
#define ZERO_POINT 36
#define MIN 40
#define MAX 44
#define SEGMENT 48

    .text
    .align 4
    .global eq_conv_row_s16_lx6
    .type eq_conv_row_s16_lx6, @function
eq_conv_row_s16_lx6:
    entry a1, 32
    l32i a11, a2, ZERO_POINT
    l32i a12, a2, MIN
    l32i a13, a2, MAX
    movi a3, 0

.Lpixel:
    l32i a5, a2, WEIGHTS
    l32i a6, a2, CHANNEL
    l32i a7, a2, CHANNELS
    l32i a15, a2, OUTPUT
    addi a5, a5, -4 /* ldinc adds before it loads */
    ldinc m2, a5

.Lchannel:
    l32i a14, a6, 0
    l32i a9, a2, SEGMENTS
    wsr.acclo a14
    addi a8, a2, SEGMENT

.Lsegment:
    l32i a4, a8, 0
    l32i a10, a2, GROUPS
    add a4, a4, a3
    addi a4, a4, -4
    ldinc m0, a4
    ldinc m1, a4
    addi a8, a8, 4
    addi a9, a9, -1
    loop a10, .Lsegment_end
    mula.dd.ll.ldinc m3, a5, m0, m2
    mula.dd.hh.ldinc m0, a4, m0, m2
    mula.dd.ll.ldinc m2, a5, m1, m3
    mula.dd.hh.ldinc m1, a4, m1, m3
.Lsegment_end:
    bnez a9, .Lsegment

    /* numerics.md#high-mul: (acc * multiplier + 2^30) >> 31 */
    rsr.acclo a4
    l32i a8, a6, 4
    mull a9, a4, a8
    mulsh a10, a4, a8
    l32i a8, a6, 12
    extui a9, a9, 30, 2
    addi a9, a9, 1
    srli a9, a9, 1
    addx2 a10, a10, a9
    /* (x + half - (x < 0)) >> shift; with a shift of 0 the half is 0 and nothing is subtracted */
    l32i a9, a6, 8
    ssr a8
    srai a14, a10, 31
    moveqz a14, a9, a9
    add a10, a10, a9
    add a10, a10, a14
    sra a10, a10
    add a10, a10, a11
    max a10, a10, a12
    min a10, a10, a13
    addi a6, a6, 16
    s8i a10, a15, 0
    addi a7, a7, -1
    addi a15, a15, 1
    bnez a7, .Lchannel

    l32i a14, a2, STEP
    l32i a15, a2, OUTPUT
    l32i a4, a2, OUTPUT_STRIDE
    add a3, a3, a14
    add a15, a15, a4
    s32i a15, a2, OUTPUT
    l32i a14, a2, PIXELS
    addi a14, a14, -1
    s32i a14, a2, PIXELS
    bnez a14, .Lpixel
    retw
    .size eq_conv_row_s16_lx6, . - eq_conv_row_s16_lx6

#endif
