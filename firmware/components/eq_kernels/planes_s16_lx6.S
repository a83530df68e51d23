/* eq_planes_s16 in assembly: a word of four channels a turn.
 *
 *   a2  planes        a3  from, line by line      a4  step           a5  line step
 *   a6  to            a7  lines left              a15 pixels         a8  flip
 *   a9  from          a10 to                      a11..a14 values */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define FROM 0
#define STEP 4
#define LINE_STEP 8
#define TO 12
#define LINES 16
#define PIXELS 20
#define FLIP 24

#define PLANE 124 /* bytes of EQ_PLANE_LINE */

    function eq_planes_s16_lx6
    entry a1, 32
    l32i a3, a2, FROM
    l32i a4, a2, STEP
    l32i a5, a2, LINE_STEP
    l32i a6, a2, TO
    l32i a7, a2, LINES
    l32i a15, a2, PIXELS
    l32i a8, a2, FLIP
.Lline:
    mov a9, a3
    addi a10, a6, -2
    align_loop
    loop a15, .Lpixel_end
    l32i a11, a9, 0
    add a9, a9, a4
    addi a10, a10, 2
    xor a11, a11, a8
    extui a12, a11, 0, 8
    extui a13, a11, 8, 8
    extui a14, a11, 16, 8
    extui a11, a11, 24, 8
    s16i a12, a10, 0 * PLANE
    s16i a13, a10, 1 * PLANE
    s16i a14, a10, 2 * PLANE
    s16i a11, a10, 3 * PLANE
.Lpixel_end:
    add a3, a3, a5
    addmi a6, a6, 512 /* 496 bytes on: EQ_PLANES_LINE */
    addi a6, a6, -16
    addi a7, a7, -1
    bnez a7, .Lline
    retw
    end_function eq_planes_s16_lx6

#endif
