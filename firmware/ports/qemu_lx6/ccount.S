/* void ccount_synchronise(void): sets CCOUNT to floor(32/25 of the instructions executed since a moment in here), exactly.
 *
 * An instruction takes 32 ns of the emulator's time, a tick 25 ns; but the emulator's time starts at any ns. Reading
 * CCOUNT every 18 instructions moves the time within a tick on by 18 x 32 mod 25 = 1 ns. So the reads are 23 ticks
 * apart, and 24 when the time within the tick has just gone from 24 to 0 ns: that is the moment. */
        .text
        .p2align 2
.Ltrap_instructions:
        .long   trap_instructions

        .global ccount_synchronise
ccount_synchronise:
        entry   a1, 32
        rsr     a2, ccount
        .rept   4
        nop
        .endr
1:      .rept   13
        nop
        .endr
        rsr     a3, ccount
        sub     a4, a3, a2
        mov     a2, a3
        addi    a4, a4, -24
        bnez    a4, 1b
        .rept   16                      /* 25 instructions are 32 ticks */
        nop
        .endr
        movi    a4, 0
        l32r    a3, .Ltrap_instructions
        s32i    a4, a3, 0
        movi    a4, 32
        wsr     a4, ccount
        retw
