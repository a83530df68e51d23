/* Instructions in places where C would not reliably put them. */

        .macro  function name
        .p2align 2
        .global \name
\name:
        .endm

        .text

/* uint32_t *multiply_registers(const uint32_t operands[2], uint32_t *results): MULSH, then MULUH, with many
 * choices of registers; every result is stored. */
        .macro  multiply r, s, t
        l32i    a\s, a2, 0
        l32i    a\t, a2, 4
        mulsh   a\r, a\s, a\t
        s32i    a\r, a3, 0
        l32i    a\s, a2, 0
        l32i    a\t, a2, 4
        muluh   a\r, a\s, a\t
        s32i    a\r, a3, 4
        addi    a3, a3, 8
        .endm

        function multiply_registers
        entry   a1, 48
        s32i    a0, a1, 0
        multiply 4, 5, 6
        multiply 5, 5, 6
        multiply 6, 5, 6
        multiply 7, 8, 9
        multiply 10, 11, 12
        multiply 13, 14, 15
        multiply 15, 14, 13
        multiply 14, 0, 15
        multiply 0, 14, 4
        multiply 9, 15, 0
        multiply 8, 4, 12
        multiply 12, 4, 8
        multiply 11, 10, 7
        l32i    a0, a1, 0
        mov     a2, a3
        retw

/* uint32_t loop_NAME(uint32_t x, uint32_t y, uint32_t turns): the multiplication is the last instruction of the loop. */
        .macro  loop_ending_in name
        function loop_\name
        entry   a1, 32
        loopnez a4, 1f
        add     a2, a2, a3
        \name   a2, a2, a3
1:      retw
        .endm

        loop_ending_in mulsh
        loop_ending_in muluh

/* uint32_t first_NAME(uint32_t x, uint32_t y): the multiplication is the first to touch registers that may still
 * belong to a frame not yet spilled. */
        .macro  first_touch name, r
        function first_\name\()_\r
        entry   a1, 32
        \name   a\r, a2, a3
        mov     a2, a\r
        retw
        .endm

        first_touch mulsh, 4
        first_touch mulsh, 8
        first_touch mulsh, 15
        first_touch mull, 4
        first_touch mull, 8
        first_touch mull, 15

/* uint32_t recurseN(uint32_t depth, uint32_t x): by CALLN; each frame keeps x through the calls below it. The innermost frame calls
 * first_NAME, so that the register file is full of live frames. */
        .macro  recurse call, argument0, argument1
        .p2align 2
.Lrecurse\call:
        .long   recurse\call
        function recurse\call
        entry   a1, 64
        beqz    a2, 1f
        addi    a\argument0, a2, -1
        slli    a\argument1, a3, 1
        add     a\argument1, a\argument1, a2
        l32r    a\call, .Lrecurse\call
        callx\call a\call
        add     a2, a\argument0, a3
        retw
1:      mov     a2, a3
        retw
        .endm

        recurse 4, 6, 7
        recurse 8, 10, 11
        recurse 12, 14, 15

/* uint32_t movspN(uint32_t x): is called by CALLN, has its caller spilled by a deep recursion, moves its
 * stack pointer, and returns to a caller that still knows its x. */
        .p2align 2
.Lmove_stack:
        .long   move_stack
        function move_stack
        entry   a1, 64
        movi    a10, 40
        mov     a11, a2
        l32r    a8, .Lrecurse8
        callx8  a8
        addi    a8, a1, -128
        movsp   a1, a8
        mov     a2, a10
        retw

        .macro  movsp_after call, argument
        function movsp\call
        entry   a1, 64
        mov     a\argument, a2
        l32r    a\call, .Lmove_stack
        callx\call a\call
        add     a2, a2, a\argument
        retw
        .endm

        movsp_after 4, 6
        movsp_after 8, 10
        movsp_after 12, 14

/* uint32_t span_NAME(uint64_t (*clock)(void), uint32_t turns): low words of the clock around `turns` instructions. */
        .macro  span name, instruction:vararg
        function span_\name
        entry   a1, 32
        movi    a5, 1
        callx8  a2
        mov     a4, a10
        loopnez a3, 1f
        \instruction
1:      callx8  a2
        sub     a2, a10, a4
        retw
        .endm

        span    nop, nop
        span    mulsh, mulsh a5, a5, a5
        span    muluh, muluh a5, a3, a3

/* uint32_t dot_one_ahead(const int16_t *x, const int16_t *w, uint32_t quads): x by what stands
 * behind w's first halfword. Four products a turn; m3 is read, loaded and read again in one. */
        function dot_one_ahead
        entry   a1, 32
        addi    a2, a2, -4
        addi    a3, a3, -4
        movi    a5, 0
        wsr     a5, acclo
        ldinc   m0, a2
        ldinc   m3, a3
        ldinc   m1, a2
        ldinc   m2, a3
        loop    a4, 1f
        mula.dd.lh.ldinc m3, a3, m0, m3
        mula.dd.hl.ldinc m0, a2, m0, m2
        mula.dd.lh.ldinc m2, a3, m1, m2
        mula.dd.hl.ldinc m1, a2, m1, m3
1:      rsr     a2, acclo
        retw
