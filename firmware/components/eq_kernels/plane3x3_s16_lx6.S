/* eq_plane3x3_s16 with MAC16: the nine weights stay in registers, and the next words of the plane come in between.
 *
 *   a2  output        a3  output step     a4  first word that is read     a5  w22
 *   a6  start         a7  multiplier      a13 up          a14 min         a15 max
 *   a8  (x00, x01)    a9  (x02, x03)      a10 (x10, x11)      a11, a12  what of the words is left; results
 *   m0 (w00, w01)     m1 (w02, w10)       m2 (w11, w12)       m3 (w20, w21)
 *
 * With a stride of 1 a word begins at every other output: two outputs a turn, the second one value further on. */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define LINES 0 /* of eq_plane3x3 */
#define OUTPUTS 4
#define OUTPUT_STEP 8
#define OUTPUT_LINE 12
#define LINE_STEP 16
#define STRIDE 20
#define MIN 24
#define MAX 28
#define TAP 32
#define ROW 36

#define START 0 /* of eq_scaled_channel */
#define MULTIPLIER 4
#define UP 8
#define DOWN 12
#define SHIFT 16

    /* On the stack. */
#define AT_LINE 0 /* of the plane, the next one */
#define AT_OUTPUT 4
#define AT_LINES 8 /* left */
#define AT_OUTPUTS 12
#define AT_LINE_STEP 16
#define AT_OUTPUT_LINE 20

#define ROW1 496 /* bytes of EQ_PLANES_LINE */
#define ROW2 992

    /* a11: 4 * sum; docs/kernels.md#scaled-sums, where `down` is less than `up` by 2 if the sign counts. */
    .macro requantise sign, ranged
    mulsh a11, a11, a7
    .if \sign
    srai a12, a11, 31
    addx2 a11, a12, a11
    .endif
    add a11, a11, a13
    sra a11, a11
    .if \ranged
    max a11, a11, a14
    min a11, a11, a15
    .else
    clamps a11, a11, 7
    .endif
    s8i a11, a2, 0
    add a2, a2, a3
    .endm

    /* The output whose window begins with the low half of the word at a4. */
    .macro at_low sign, ranged
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
    requantise \sign, \ranged
    .endm

    /* The next one, after at_low: its window begins with the high half. Moves on to the next word. */
    .macro at_high sign, ranged
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
    requantise \sign, \ranged
    .endm

    /* Two weights from a6 on, times 4, and how far to the next. */
    .macro two_weights m, first, second
    l8ui a10, a6, 0
    add a6, a6, \first
    l8ui a11, a6, 0
    add a6, a6, \second
    slli a10, a10, 24
    slli a11, a11, 24
    srai a10, a10, 22
    srai a11, a11, 6
    extui a10, a10, 0, 16
    or a10, a10, a11
    wsr.\m a10
    .endm

#define LINE_BYTES 27 /* of begin_line */
    .macro begin_line
    l32i a4, a1, AT_LINE
    l32i a8, a1, AT_LINE_STEP
    l32i a2, a1, AT_OUTPUT
    l32i a9, a1, AT_OUTPUT_LINE
    l32i a10, a1, AT_OUTPUTS
    add a8, a4, a8
    add a9, a2, a9
    s32i a8, a1, AT_LINE
    s32i a9, a1, AT_OUTPUT
    .endm

    .macro end_line first
    l32i a8, a1, AT_LINES
    addi a8, a8, -1
    s32i a8, a1, AT_LINES
    bnez a8, \first
    retw
    .endm

    /* With the whole range, a14 and a15 are free and six words stay: a12 has (x20, x21), a14 (x22, x23), a11 (x12,
     * x13). The words to come are the next turn's first. */
    .macro pair_low sign
    l32i a9, a4, 4
    wsr.acclo a6
    l32i a11, a4, ROW1 + 4
    mula.da.ll m0, a8
    mula.da.hh m0, a8
    l32i a14, a4, ROW2 + 4
    mula.da.ll m1, a9
    mula.da.hl m1, a10
    mula.ad.hl a10, m2
    mula.ad.lh a11, m2
    mula.ad.ll a12, m3
    mula.ad.hh a12, m3
    mula.aa.ll a14, a5
    rsr.acclo a15
    requantise_whole \sign
    .endm

    .macro pair_high sign
    wsr.acclo a6
    .if \sign
    l32i a14, a4, ROW2 + 4
    .endif
    mula.da.lh m0, a8
    mula.da.hl m0, a9
    mov a8, a9
    mula.da.lh m1, a9
    mula.da.hh m1, a10
    mov a10, a11
    mula.ad.ll a11, m2
    mula.ad.hh a11, m2
    addi a4, a4, 4
    mula.ad.hl a12, m3
    mov a12, a14
    mula.ad.lh a14, m3
    mula.aa.hl a14, a5
    rsr.acclo a15
    requantise_whole \sign
    .endm

    /* As requantise, with a15 and a14. */
    .macro requantise_whole sign
    mulsh a15, a15, a7
    .if \sign
    srai a14, a15, 31
    addx2 a15, a14, a15
    .endif
    add a15, a15, a13
    sra a15, a15
    clamps a15, a15, 7
    s8i a15, a2, 0
    add a2, a2, a3
    .endm

    .macro whole_lines_of_stride_1 sign
    align_loop LINE_BYTES + 12
1:  begin_line
    l32i a8, a4, 0
    srli a9, a10, 1
    l32i a10, a4, ROW1
    l32i a12, a4, ROW2
    loopnez a9, 2f
    pair_low \sign
    pair_high \sign
2:  l32i a9, a1, AT_OUTPUTS
    bbci a9, 0, 3f
    pair_low \sign
3:  end_line 1b
    .endm

    .macro lines_of_stride_1 sign
    align_loop LINE_BYTES + 3
1:  begin_line
    srli a10, a10, 1
    loopnez a10, 2f
    at_low \sign, 1
    at_high \sign, 1
2:  l32i a8, a1, AT_OUTPUTS
    bbci a8, 0, 3f
    at_low \sign, 1
3:  end_line 1b
    .endm

    .macro lines_of_stride_2 sign, ranged
    align_loop LINE_BYTES
1:  begin_line
    loop a10, 2f
    at_low \sign, \ranged
    addi a4, a4, 4
2:  end_line 1b
    .endm

    function eq_plane3x3_s16_lx6
    entry a1, 64
    s32i a4, a1, AT_LINE
    s32i a5, a1, AT_OUTPUT
    l32i a8, a2, LINES
    l32i a9, a2, OUTPUTS
    l32i a10, a2, LINE_STEP
    l32i a11, a2, OUTPUT_LINE
    s32i a8, a1, AT_LINES
    s32i a9, a1, AT_OUTPUTS
    s32i a10, a1, AT_LINE_STEP
    s32i a11, a1, AT_OUTPUT_LINE
    l32i a8, a2, TAP
    l32i a9, a2, ROW
    two_weights m0, a8, a8
    two_weights m1, a9, a8
    two_weights m2, a8, a9
    two_weights m3, a8, a8
    l8ui a5, a6, 0
    slli a5, a5, 24
    srai a5, a5, 22
    l32i a14, a2, MIN
    l32i a15, a2, MAX
    l32i a10, a2, STRIDE
    l32i a6, a3, START
    l32i a7, a3, MULTIPLIER
    l32i a13, a3, UP
    l32i a11, a3, DOWN
    l32i a9, a3, SHIFT
    l32i a3, a2, OUTPUT_STEP
    ssr a9
    sub a11, a13, a11 /* 0 where the sign does not count */
    sub a9, a15, a14
    addmi a9, a9, -256 /* -1 for the whole range */
    addi a9, a9, 1
    addi a10, a10, -1
    bnez a10, .Lstride_2
    bnez a9, .Lstride_1_ranged
    bnez a11, .Lstride_1_sign
    whole_lines_of_stride_1 0
.Lstride_1_sign:
    whole_lines_of_stride_1 1
.Lstride_1_ranged:
    bnez a11, .Lstride_1_both
    lines_of_stride_1 0
.Lstride_1_both:
    lines_of_stride_1 1
.Lstride_2:
    bnez a9, .Lstride_2_ranged
    bnez a11, .Lstride_2_sign
    lines_of_stride_2 0, 0
.Lstride_2_sign:
    lines_of_stride_2 1, 0
.Lstride_2_ranged:
    bnez a11, .Lstride_2_both
    lines_of_stride_2 0, 1
.Lstride_2_both:
    lines_of_stride_2 1, 1
    end_function eq_plane3x3_s16_lx6

#endif
