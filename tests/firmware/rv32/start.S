/* From reset to main, and where a trap ends. */
        .option arch, +zicsr
        .section .start, "ax"
        .global start
start:
        la      sp, stack_top
        la      t0, trap
        csrw    mtvec, t0
        la      t0, bss_start
        la      t1, bss_end
1:      sw      zero, 0(t0)             /* both on 16-byte boundaries */
        addi    t0, t0, 4
        bltu    t0, t1, 1b
        call    main
        call    halt                    /* a0: main's status */

        .p2align 2
trap:   la      sp, stack_top
        csrr    a0, mcause
        addi    a0, a0, 100
        call    halt

/* a0 = semihost(a0: number, a1: its arguments); the three instructions around ebreak are how it is told. */
        .text
        .global semihost
        .p2align 4
        .option push
        .option norvc
semihost:
        slli    zero, zero, 0x1f
        ebreak
        srai    zero, zero, 7
        ret
        .option pop

/* uint64_t instructions(void) */
        .global instructions
instructions:
        csrr    a1, minstreth
        csrr    a0, minstret
        csrr    t0, minstreth
        bne     a1, t0, instructions
        ret
