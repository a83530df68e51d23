/* After reset the core fetches its first instruction from here (0xfe000000); the ELF's entry is not looked at. */
        .section .reset, "ax"
        .global reset
reset:
        j       1f
        .p2align 2
.Lstart:
        .long   start
1:      l32r    a0, .Lstart
        jx      a0
