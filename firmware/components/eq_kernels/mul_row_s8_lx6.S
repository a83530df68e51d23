/* eq_mul_row_s8 in assembly; docs/kernels.md#scaled-sums with k = 8.
 *
 *   a2  p, then max    a3  a     a4  b     a5  output    a6  elements, then min    a7  step of a    a8  step of b
 *   a9  zero point of a, times 256    a10 zero point of b    a11 multiplier    a14 up    a15 down    a12, a13 values */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define A_ZERO_POINT 0 /* of eq_mul_scaled */
#define B_ZERO_POINT 4
#define MIN 8
#define MAX 12
#define MULTIPLIER 20 /* the tail's start is not used */
#define UP 24
#define DOWN 28
#define SHIFT 32

    function eq_mul_row_s8_lx6
    entry a1, 32
    srli a8, a7, 1
    extui a7, a7, 0, 1
    l32i a9, a2, A_ZERO_POINT
    l32i a10, a2, B_ZERO_POINT
    l32i a11, a2, MULTIPLIER
    l32i a14, a2, UP
    l32i a15, a2, DOWN
    l32i a12, a2, SHIFT
    mov a13, a6
    slli a9, a9, 8
    ssr a12
    l32i a6, a2, MIN
    l32i a2, a2, MAX
    addi a5, a5, -1
    align_loop
    loop a13, .Lend
    l8ui a12, a3, 0
    l8ui a13, a4, 0
    add a3, a3, a7
    slli a12, a12, 24
    sext a13, a13, 7
    srai a12, a12, 16
    sub a13, a13, a10
    sub a12, a12, a9
    add a4, a4, a8
    mull a12, a12, a13
    mov a13, a14
    mulsh a12, a12, a11
    addi a5, a5, 1
    movltz a13, a15, a12
    add a12, a12, a13
    sra a12, a12
    max a12, a12, a6
    min a12, a12, a2
    s8i a12, a5, 0
.Lend:
    retw
    end_function eq_mul_row_s8_lx6

#endif
