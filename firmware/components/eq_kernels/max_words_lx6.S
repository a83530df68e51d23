/* eq_max_words in assembly. A word whose top byte is a channel orders as that channel does, whatever is below: so the
 * word itself, and the word shifted left by 8, 16 and 24 bits, each have their own maximum.
 *
 * A word's last maximum is taken in the next turn, behind the load.
 *
 *   a2  rows left    a3  from, four channels on each turn    a4  to    a5  rows    a6  columns    a7  channels
 *   a8  from the end of a row's window to the next row       a9  the word, shifted
 *   a10..a13 maxima of channels 3 to 0    a14 pixel          a15 word */

#if defined(EQ_MAC16) /* other cores build this folder too */

#include "lx6.inc"

#define FROM 0
#define TO 4
#define ROWS 8
#define COLUMNS 12
#define CHANNELS 16
#define ROW_STEP 20

    function eq_max_words_lx6
    entry a1, 48
    l32i a3, a2, FROM
    l32i a4, a2, TO
    l32i a5, a2, ROWS
    l32i a6, a2, COLUMNS
    l32i a7, a2, CHANNELS
    l32i a8, a2, ROW_STEP
    mull a9, a6, a7
    sub a8, a8, a9
    add a9, a4, a7
    s32i a9, a1, 0 /* the end of `to` */
    align_loop 24
.Lword:
    movi a10, -1
    slli a10, a10, 31
    mov a11, a10
    mov a12, a10
    mov a13, a10
    mov a9, a10
    mov a14, a3
    mov a2, a5
.Lrow:
    loop a6, .Lrow_end
    l32i a15, a14, 0
    add a14, a14, a7
    max a13, a13, a9
    max a10, a10, a15
    slli a9, a15, 8
    max a11, a11, a9
    slli a9, a9, 8
    max a12, a12, a9
    slli a9, a9, 8
.Lrow_end:
    add a14, a14, a8
    addi a2, a2, -1
    bnez a2, .Lrow
    max a13, a13, a9
    extui a10, a10, 24, 8
    extui a11, a11, 24, 8
    extui a12, a12, 24, 8
    extui a13, a13, 24, 8
    l32i a9, a1, 0
    s8i a10, a4, 3
    s8i a11, a4, 2
    s8i a12, a4, 1
    s8i a13, a4, 0
    addi a3, a3, 4
    addi a4, a4, 4
    bne a4, a9, .Lword
    retw
    end_function eq_max_words_lx6

#endif
