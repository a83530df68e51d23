/* From reset to main: special registers, the stack, the windowed ABI's first frame. */
        .text
        .p2align 2
.Lvectors:
        .long   vectors
.Lstack:
        .long   stack_top
.Lmain:
        .long   main
.Lhalt:
        .long   halt
.Lps:
        .long   0x00040020              /* PS: WOE, UM; no interrupts are enabled, so INTLEVEL stays 0 */

        .p2align 2
        .global start
start:
        movi    a0, 0
        wsr     a0, intenable
        wsr     a0, windowbase
        rsync
        movi    a0, 1
        wsr     a0, windowstart
        rsync
        l32r    a0, .Lvectors
        wsr     a0, vecbase
        movi    a0, -1
        wsr     a0, cpenable            /* FPU */
        l32r    a1, .Lstack
        l32r    a0, .Lps
        wsr     a0, ps
        rsync
        movi    a0, 0
        wsr     a0, icount
        movi    a0, 1
        wsr     a0, icountlevel         /* so that mula...ldinc is right: vectors.S */
        isync
        movi    a0, 0                   /* no caller above main */
        l32r    a4, .Lmain
        callx4  a4
        l32r    a4, .Lhalt              /* a6: main's status, halt's argument */
        callx4  a4
