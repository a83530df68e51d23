/* The two exceptions that are repaired, and the way to the panic for all others.
 *
 * 1. MOVSP with the caller's frame spilled (EXCCAUSE 5): load that frame, then run MOVSP again. The real core takes
 *    the same exception, so its instructions count.
 *
 * 2. MULSH and MULUH, which the LX6 has and the emulated core has not (EXCCAUSE 0). This handler multiplies, and
 *    adds what the trap cost beyond the one instruction that it costs on the LX6 to trap_instructions, which the
 *    clock subtracts. So that this is a constant, each of the two ways through the handler is free of branches.
 *
 * Interrupts are off and handlers do not nest, so one save area is enough. This code runs on no silicon. */
        .text

/* ------------------------------------------------------------------------------------------------------------------
 * A caller's frame that was spilled: do what the hardware does on RETW, set PS.OWB and rotate to the caller,
 * then enter the underflow handler of the frame's size; it returns to MOVSP. a0 is in EXCSAVE1. */
        .p2align 2
        .global movsp_spilled_caller
movsp_spilled_caller:
        rsr     a0, windowbase
        rotw    -1                      /* the interrupted a0 is a4 now; a0-a3 belong to the spilled frame: free */
        rsr     a2, ps
        extui   a3, a2, 8, 4
        xor     a3, a3, a4
        slli    a3, a3, 8
        xor     a2, a2, a3
        wsr     a2, ps                  /* PS.OWB <- the interrupted window */
        rsr     a4, excsave1
        rsync
        bbci    a4, 31, 1f              /* the return address says how far the caller is: 01, 10, 11 */
        rotw    -1
        bbci    a8, 30, 2f
        rotw    -1
        j       underflow12
1:      j       underflow4
2:      j       underflow8

/* ------------------------------------------------------------------------------------------------------------------
 * MULSH r, s, t and MULUH r, s, t: byte 0 = t:4 0:4, byte 1 = r:4 s:4, byte 2 = 0xb2 or 0xa2.
 *
 *   a0  save area             a4  byte 2        a8..a13  products
 *   a1  address of the trap   a5  value of t
 *   a2  byte 0, a3 byte 1     a6  value of s
 *                             a7  where r is saved
 */
#define SAVED_SAR 64         /* in the save area, behind the 16 registers */
#define TRAP_INSTRUCTIONS 68 /* behind that */
#define WINDOWS 8            /* 32 registers; the ESP32 has 64, and spills a little less often */
#define MULTIPLY_COST 117    /* 116 of the handler, 2 that the emulator counts for the trapped one, less 1 */
#define SPILL_COST 99        /* likewise, up to the overflow handler */

        .macro  save_registers          /* all 16 may be operands; a0 is in EXCSAVE1 */
        l32r    a0, .Lsave_area
        s32i    a1, a0, 4
        s32i    a2, a0, 8
        s32i    a3, a0, 12
        s32i    a4, a0, 16
        s32i    a5, a0, 20
        s32i    a6, a0, 24
        s32i    a7, a0, 28
        s32i    a8, a0, 32
        s32i    a9, a0, 36
        s32i    a10, a0, 40
        s32i    a11, a0, 44
        s32i    a12, a0, 48
        s32i    a13, a0, 52
        s32i    a14, a0, 56
        s32i    a15, a0, 60
        rsr     a1, excsave1
        s32i    a1, a0, 0
        rsr     a1, sar
        s32i    a1, a0, SAVED_SAR
        .endm

        .macro  restore_all_but_a0
        l32i    a1, a0, SAVED_SAR
        wsr     a1, sar
        l32i    a1, a0, 4
        l32i    a2, a0, 8
        l32i    a3, a0, 12
        l32i    a4, a0, 16
        l32i    a5, a0, 20
        l32i    a6, a0, 24
        l32i    a7, a0, 28
        l32i    a8, a0, 32
        l32i    a9, a0, 36
        l32i    a10, a0, 40
        l32i    a11, a0, 44
        l32i    a12, a0, 48
        l32i    a13, a0, 52
        l32i    a14, a0, 56
        l32i    a15, a0, 60
        .endm

        .macro  add_cost instructions
        l32i    a2, a0, TRAP_INSTRUCTIONS
        addi    a2, a2, \instructions
        s32i    a2, a0, TRAP_INSTRUCTIONS
        .endm

        .p2align 2
.Lsave_area:
        .long   save_area
.Lspill_stubs:
        .long   spill_stubs

.Lnot_ours:
        j       panic_from_exception

        .global illegal_instruction
illegal_instruction:
        save_registers

        rsr     a1, epc1
        l8ui    a2, a1, 0
        l8ui    a3, a1, 1
        l8ui    a4, a1, 2
        extui   a5, a2, 0, 4
        bnez    a5, .Lnot_ours
        movi    a5, 0x10
        or      a5, a5, a4
        movi    a6, 0xb2
        bne     a5, a6, .Lnot_ours

        /* Registers above a3 may still hold an older frame, and r may be the first of its group that this frame
         * touches. The core checks that before it executes; an illegal instruction is not checked, so it is done
         * here: n = distance to the next live window; if r lies in it or behind it, that frame is spilled first. */
        rsr     a5, windowbase
        rsr     a6, windowstart
        slli    a7, a6, WINDOWS
        or      a6, a6, a7
        addi    a5, a5, 1
        ssr     a5
        srl     a6, a6                  /* bit i: window WINDOWBASE + 1 + i starts a frame */
        neg     a7, a6
        and     a7, a7, a6
        nsau    a7, a7
        movi    a8, 31
        sub     a7, a8, a7              /* n - 1 */
        extui   a8, a3, 6, 2            /* r / 4 */
        bge     a7, a8, 1f
        j       .Lspill
1:

        extui   a5, a2, 4, 4
        extui   a6, a3, 0, 4
        extui   a7, a3, 4, 4
        addx4   a5, a5, a0
        addx4   a6, a6, a0
        addx4   a7, a7, a0
        l32i    a5, a5, 0
        l32i    a6, a6, 0

        /* Unsigned high word from four 16 x 16 products; no sum below overflows 32 bits. */
        extui   a8, a5, 16, 16
        extui   a9, a6, 16, 16
        mul16u  a10, a5, a6             /* low  x low */
        mul16u  a11, a8, a6             /* high x low */
        mul16u  a12, a5, a9             /* low  x high */
        mul16u  a13, a8, a9             /* high x high */
        extui   a10, a10, 16, 16
        add     a11, a11, a10
        extui   a10, a11, 0, 16
        add     a12, a12, a10
        extui   a11, a11, 16, 16
        extui   a12, a12, 16, 16
        add     a13, a13, a11
        add     a13, a13, a12

        /* Signed: minus s if t < 0, minus t if s < 0. */
        srai    a8, a5, 31
        and     a8, a8, a6
        srai    a9, a6, 31
        and     a9, a9, a5
        add     a8, a8, a9
        extui   a9, a4, 4, 1            /* 1: MULSH */
        neg     a9, a9
        and     a8, a8, a9
        sub     a13, a13, a8
        s32i    a13, a7, 0

        /* The next instruction, which may be the first of a zero-overhead loop's next turn. */
        addi    a1, a1, 3
        rsr     a2, lend
        rsr     a3, lcount
        rsr     a4, lbeg
        sub     a2, a2, a1              /* 0 at the end of the loop's body */
        movi    a5, 0
        mov     a6, a3
        movnez  a6, a5, a2              /* turns left, if at the end */
        movnez  a1, a4, a6
        movi    a5, 1
        movnez  a6, a5, a6
        sub     a3, a3, a6
        wsr     a3, lcount
        wsr     a1, epc1

        add_cost MULTIPLY_COST
        restore_all_but_a0
        l32i    a0, a0, 0
        rfe

/* Spill the frame n windows up, as the hardware would: PS.OWB <- WINDOWBASE, rotate by n, enter the overflow handler of
 * that frame's size m, which returns to the multiplication. a6: live windows from WINDOWBASE + 1, a7: n - 1. */
.Lspill:
        ssr     a7
        srl     a6, a6
        srli    a6, a6, 1
        neg     a8, a6
        and     a8, a8, a6
        nsau    a8, a8
        movi    a9, 31
        sub     a8, a9, a8              /* m - 1 */
        addx2   a7, a7, a7
        add     a7, a7, a8
        slli    a7, a7, 4
        l32r    a8, .Lspill_stubs
        add     a7, a7, a8              /* stub of (n, m) */
        l32i    a8, a0, 0
        wsr     a8, excsave1
        rsr     a8, windowbase
        rsr     a9, ps
        extui   a10, a9, 8, 4
        xor     a10, a10, a8
        slli    a10, a10, 8
        xor     a9, a9, a10
        wsr     a9, ps
        rsync
        s32i    a7, a0, 0
        add_cost SPILL_COST
        restore_all_but_a0
        l32i    a0, a0, 0
        jx      a0

        .macro  spill_stub n, m
        .p2align 4
        rsr     a0, excsave1
        rotw    \n
        j       overflow\m
        .endm

        .p2align 4
spill_stubs:
        spill_stub 1, 4
        spill_stub 1, 8
        spill_stub 1, 12
        spill_stub 2, 4
        spill_stub 2, 8
        spill_stub 2, 12
        spill_stub 3, 4
        spill_stub 3, 8
        spill_stub 3, 12

/* ------------------------------------------------------------------------------------------------------------------
 * Nothing of the interrupted program is needed any more: a fresh register file, a stack of its own, and C. */
        .p2align 2
.Lpanic_stack:
        .long   panic_stack_top
.Lpanic_ps:
        .long   0x00040020
.Lpanic:
        .long   panic

        .global panic_from_exception
panic_from_exception:
        movi    a0, 0
        wsr     a0, windowbase
        rsync
        movi    a0, 1
        wsr     a0, windowstart
        rsync
        l32r    a1, .Lpanic_stack
        rsr     a6, exccause
        rsr     a7, epc1
        rsr     a8, excvaddr
        l32r    a0, .Lpanic_ps
        wsr     a0, ps
        rsync
        movi    a0, 0
        l32r    a4, .Lpanic
        callx4  a4

        .bss
        .p2align 4
save_area:
        .space  68
        .global trap_instructions
trap_instructions:
        .space  12
        .space  2048
panic_stack_top:
