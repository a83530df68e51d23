/* eq_sums_words in assembly. With 128 added, bytes are 0 to 255. H sums up the words' second and fourth bytes as two
 * halfwords, S the words as they are: S - 256 * H has the sums of the first and third, modulo 2^32 and so exactly.
 *
 * A word's part of H is added in the next turn, behind the load.
 *
 *   a2  pixel    a3  from, a word further each turn    a4  sums    a5  part of H    a6  rows    a7  columns
 *   a8  from the end of a row's window to the next row    a9  column step    a10 S    a11 H    a12, a13 values
 *   a14 0x80808080    a15 0x00ff00ff */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define FROM 0
#define SUMS 4
#define WORDS 8
#define ROWS 12
#define COLUMNS 16
#define ROW_STEP 20
#define COLUMN_STEP 24

    function eq_sums_words_lx6
    entry a1, 48
    movi a15, 255
    slli a14, a15, 16
    or a15, a15, a14
    movi a14, 128
    slli a13, a14, 8
    or a14, a14, a13
    slli a13, a14, 16
    or a14, a14, a13
    l32i a3, a2, FROM
    l32i a4, a2, SUMS
    l32i a5, a2, WORDS
    l32i a6, a2, ROWS
    l32i a7, a2, COLUMNS
    l32i a8, a2, ROW_STEP
    l32i a9, a2, COLUMN_STEP
    mull a13, a7, a9
    sub a8, a8, a13
    addx4 a5, a5, a3
    s32i a5, a1, 0 /* the end of `from` */
    align_loop 15
.Lword:
    mov a2, a3
    mov a13, a6
    movi a10, 0
    movi a11, 0
    movi a5, 0
.Lrow:
    loop a7, .Lcolumns_end
    l32i a12, a2, 0
    add a2, a2, a9
    add a11, a11, a5
    xor a12, a12, a14
    add a10, a10, a12
    srli a5, a12, 8
    and a5, a5, a15
.Lcolumns_end:
    add a2, a2, a8
    addi a13, a13, -1
    bnez a13, .Lrow
    add a11, a11, a5
    slli a12, a11, 8
    sub a10, a10, a12
    l32i a12, a4, 0
    l32i a13, a4, 4
    extui a2, a10, 0, 16
    add a12, a12, a2
    extui a2, a11, 0, 16
    add a13, a13, a2
    s32i a12, a4, 0
    s32i a13, a4, 4
    l32i a12, a4, 8
    l32i a13, a4, 12
    extui a10, a10, 16, 16
    extui a11, a11, 16, 16
    l32i a5, a1, 0
    add a12, a12, a10
    add a13, a13, a11
    s32i a12, a4, 8
    s32i a13, a4, 12
    addi a3, a3, 4
    addi a4, a4, 16
    bne a3, a5, .Lword
    retw
    end_function eq_sums_words_lx6

#endif
