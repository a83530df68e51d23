/* Exception vectors, at their offsets from VECBASE.
 *
 * The window handlers are the sequences of the Xtensa ISA reference manual: an overflow writes a frame's registers
 * below the stack pointer of the frame it called (a0-a3) and below the stack pointer of its own caller's frame
 * (a4 and up); an underflow reads them back. */
        .section .vectors, "ax"
        .p2align 10
        .global vectors
vectors:
        .org    0x000
        .global overflow4
overflow4:
        s32e    a0, a5, -16
        s32e    a1, a5, -12
        s32e    a2, a5, -8
        s32e    a3, a5, -4
        rfwo

        .org    0x040
        .global underflow4
underflow4:
        l32e    a0, a5, -16
        l32e    a1, a5, -12
        l32e    a2, a5, -8
        l32e    a3, a5, -4
        rfwu

        .org    0x080
        .global overflow8
overflow8:
        s32e    a0, a9, -16
        l32e    a0, a1, -12             /* a0 <- stack pointer of the frame's caller */
        s32e    a1, a9, -12
        s32e    a2, a9, -8
        s32e    a3, a9, -4
        s32e    a4, a0, -32
        s32e    a5, a0, -28
        s32e    a6, a0, -24
        s32e    a7, a0, -20
        rfwo

        .org    0x0c0
        .global underflow8
underflow8:
        l32e    a0, a9, -16
        l32e    a1, a9, -12
        l32e    a2, a9, -8
        l32e    a7, a1, -12             /* a7 <- stack pointer of the frame's caller */
        l32e    a3, a9, -4
        l32e    a4, a7, -32
        l32e    a5, a7, -28
        l32e    a6, a7, -24
        l32e    a7, a7, -20
        rfwu

        .org    0x100
        .global overflow12
overflow12:
        s32e    a0, a13, -16
        l32e    a0, a1, -12             /* a0 <- stack pointer of the frame's caller */
        s32e    a1, a13, -12
        s32e    a2, a13, -8
        s32e    a3, a13, -4
        s32e    a4, a0, -48
        s32e    a5, a0, -44
        s32e    a6, a0, -40
        s32e    a7, a0, -36
        s32e    a8, a0, -32
        s32e    a9, a0, -28
        s32e    a10, a0, -24
        s32e    a11, a0, -20
        rfwo

        .org    0x140
        .global underflow12
underflow12:
        l32e    a0, a13, -16
        l32e    a1, a13, -12
        l32e    a2, a13, -8
        l32e    a11, a1, -12            /* a11 <- stack pointer of the frame's caller */
        l32e    a3, a13, -4
        l32e    a4, a11, -48
        l32e    a5, a11, -44
        l32e    a6, a11, -40
        l32e    a7, a11, -36
        l32e    a8, a11, -32
        l32e    a9, a11, -28
        l32e    a10, a11, -24
        l32e    a11, a11, -20
        rfwu

        /* Debug: 2^32 instructions are counted, so the count begins anew. Nobody looks at it: while an emulated core counts
         * instructions it goes through memory between any two, and so does what `mula...ldinc` has loaded; else QEMU 7.2
         * would go on with an m register that it has read before in the same stretch of code. Five instructions too
         * many of 2^32 are left uncorrected. */
        .org    0x280
        wsr     a0, excsave6
        movi    a0, 0
        wsr     a0, icount
        rsr     a0, excsave6
        rfi     6

        .org    0x300                   /* kernel: PS.UM is always set, so nothing of ours arrives here */
        j       panic_from_exception

        .org    0x340                   /* user */
        wsr     a0, excsave1
        rsr     a0, exccause
        beqi    a0, 5, 1f
        bnez    a0, 2f
        j       illegal_instruction
1:      j       movsp_spilled_caller
2:      j       panic_from_exception

        .org    0x3c0                   /* double: an exception inside a handler, most likely a stack gone astray */
        rsr     a0, depc
        wsr     a0, epc1
        j       panic_from_exception
