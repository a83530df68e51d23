/* eq_plane3x3_s16 with MAC16: the nine weights stay in registers, and the next words of the plane come in between.
 *
 *   a2  output        a3  output step     a4  first word that is read     a5  w22
 *   a6  bias          a7  multiplier      a13 offset      a14 min         a15 max
 *   a8  (x00, x01)    a9  (x02, x03)      a10 (x10, x11)      a11, a12  what of the words is left; results
 *   m0 (w00, w01)     m1 (w02, w10)       m2 (w11, w12)       m3 (w20, w21)
 *   0(a1) p
 *
 * With a stride of 1 a word begins at every other output: two outputs a turn, the second one value further on. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#define LINE 0
#define OUTPUT 4
#define LINES 8
#define OUTPUTS 12
#define OUTPUT_STEP 16
#define OUTPUT_LINE 20
#define LINE_STEP 24
#define STRIDE 28
#define BIAS 32
#define MULTIPLIER 36
#define OFFSET 40
#define SHIFT 44
#define MIN 48
#define MAX 52
#define SIGN 56
#define WEIGHTS 60

#define ROW1 496 /* bytes of EQ_PLANES_LINE */
#define ROW2 992

    /* a11: 4 * (sum + bias); kernels.md#requantisation */
    .macro requantise sign
    mulsh a11, a11, a7
    .if \sign
    addi a12, a11, 1
    srai a12, a12, 31
    addx2 a11, a12, a11
    .endif
    add a11, a11, a13
    sra a11, a11
    max a11, a11, a14
    min a11, a11, a15
    s8i a11, a2, 0
    add a2, a2, a3
    .endm

    /* The output whose window begins with the low half of the word at a4. */
    .macro at_low sign
    l32i a8, a4, 0
    l32i a9, a4, 4
    l32i a10, a4, ROW1
    wsr.acclo a6
    mula.da.ll m0, a8
    l32i a11, a4, ROW1 + 4
    mula.da.hh m0, a8
    l32i a12, a4, ROW2
    mula.da.ll m1, a9
    mula.da.hl m1, a10
    mula.ad.hl a10, m2
    mula.ad.lh a11, m2
    l32i a11, a4, ROW2 + 4
    mula.ad.ll a12, m3
    mula.ad.hh a12, m3
    mula.aa.ll a11, a5
    rsr.acclo a11
    requantise \sign
    .endm

    /* The next one, after at_low: its window begins with the high half. Moves on to the next word. */
    .macro at_high sign
    l32i a11, a4, ROW1 + 4
    l32i a12, a4, ROW2
    wsr.acclo a6
    mula.da.lh m0, a8
    mula.da.hl m0, a9
    mula.da.lh m1, a9
    mula.da.hh m1, a10
    mula.ad.ll a11, m2
    mula.ad.hh a11, m2
    l32i a11, a4, ROW2 + 4
    mula.ad.hl a12, m3
    addi a4, a4, 4
    mula.ad.lh a11, m3
    mula.aa.hl a11, a5
    rsr.acclo a11
    requantise \sign
    .endm

    .macro begin_line
    l32i a8, a1, 0
    l32i a4, a8, LINE
    l32i a9, a8, LINE_STEP
    l32i a2, a8, OUTPUT
    add a9, a4, a9
    s32i a9, a8, LINE
    l32i a9, a8, OUTPUT_LINE
    l32i a10, a8, OUTPUTS
    add a9, a2, a9
    s32i a9, a8, OUTPUT
    .endm

    .macro end_line first
    l32i a8, a1, 0
    l32i a9, a8, LINES
    addi a9, a9, -1
    s32i a9, a8, LINES
    bnez a9, \first
    .endm

    .macro lines_of_stride_1 sign
1:  begin_line
    srli a10, a10, 1
    loopnez a10, 2f
    at_low \sign
    at_high \sign
2:  l32i a8, a1, 0
    l32i a9, a8, OUTPUTS
    bbci a9, 0, 3f
    at_low \sign
3:  end_line 1b
    retw
    .endm

    .macro lines_of_stride_2 sign
1:  begin_line
    loop a10, 2f
    at_low \sign
    addi a4, a4, 4
2:  end_line 1b
    retw
    .endm

    .text
    .align 4
    .global eq_plane3x3_s16_lx6
    .type eq_plane3x3_s16_lx6, @function
eq_plane3x3_s16_lx6:
    entry a1, 48
    s32i a2, a1, 0
    mov a8, a2
    addi a9, a8, WEIGHTS - 4 /* ldinc adds before it loads */
    ldinc m0, a9
    ldinc m1, a9
    ldinc m2, a9
    ldinc m3, a9
    l32i a5, a8, WEIGHTS + 16
    l32i a6, a8, BIAS
    l32i a7, a8, MULTIPLIER
    l32i a13, a8, OFFSET
    l32i a14, a8, MIN
    l32i a15, a8, MAX
    l32i a3, a8, OUTPUT_STEP
    l32i a9, a8, SHIFT
    l32i a10, a8, STRIDE
    l32i a11, a8, SIGN
    ssr a9
    addi a10, a10, -1
    bnez a10, .Lstride_2
    bnez a11, .Lstride_1_sign
    lines_of_stride_1 0
.Lstride_1_sign:
    lines_of_stride_1 1
.Lstride_2:
    bnez a11, .Lstride_2_sign
    lines_of_stride_2 0
.Lstride_2_sign:
    lines_of_stride_2 1
    .size eq_plane3x3_s16_lx6, . - eq_plane3x3_s16_lx6

#endif
