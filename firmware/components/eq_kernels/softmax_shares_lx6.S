/* eq_softmax_shares in assembly. Both factors are not negative; of the product's halves h and l the rounded upper 33
 * bits are 2h + ((l >> 30) + 1 >> 1), and their rounded quotient needs no sign either.
 *
 *   a2  p, then exponentials    a3  input    a4  n, then half    a5  output    a6  maximum    a7  scale
 *   a8  l    a9  h and value    a10 n */

#if defined(EQ_MAC16) /* other cores build this folder too */

#define EXPONENTIALS 0
#define MAXIMUM 4
#define SCALE 8
#define SHIFT 12
#define HALF 16

    .text
    .align 4
    .global eq_softmax_shares_lx6
    .type eq_softmax_shares_lx6, @function
eq_softmax_shares_lx6:
    entry a1, 32
    mov a10, a4
    l32i a8, a2, SHIFT
    l32i a6, a2, MAXIMUM
    l32i a7, a2, SCALE
    l32i a4, a2, HALF
    l32i a2, a2, EXPONENTIALS
    ssr a8
    addi a5, a5, -1
    loop a10, .Lend
    l8ui a8, a3, 0
    addi a3, a3, 1
    sext a8, a8, 7
    sub a8, a6, a8
    addx4 a8, a8, a2
    l32i a8, a8, 0
    addi a5, a5, 1
    mulsh a9, a8, a7
    mull a8, a8, a7
    extui a8, a8, 30, 2
    addi a8, a8, 1
    srli a8, a8, 1
    addx2 a9, a9, a8
    add a9, a9, a4
    srl a9, a9
    addi a9, a9, -128
    clamps a9, a9, 7
    s8i a9, a5, 0
.Lend:
    retw
    .size eq_softmax_shares_lx6, . - eq_softmax_shares_lx6

#endif
