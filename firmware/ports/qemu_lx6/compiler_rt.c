/* What the compiler calls for 64-bit integers, under the names of the GCC runtime library. 32-bit division is
 * an instruction of this core (div32), and so are the parts of a 64-bit product (mul32high). */
#include <stdint.h>

typedef union pair {
    uint64_t whole;
    struct {
        uint32_t low, high;
    } half;
} pair;

uint64_t __ashldi3(uint64_t value, int by);
uint64_t __lshrdi3(uint64_t value, int by);
int64_t __ashrdi3(int64_t value, int by);
uint64_t __muldi3(uint64_t a, uint64_t b);
uint64_t __udivdi3(uint64_t a, uint64_t b);
uint64_t __umoddi3(uint64_t a, uint64_t b);
int64_t __divdi3(int64_t a, int64_t b);
int64_t __moddi3(int64_t a, int64_t b);

uint64_t __ashldi3(uint64_t value, int by) {
    pair in = {value}, out;
    if (by == 0) return value;
    out.half.low = by < 32 ? in.half.low << by : 0;
    out.half.high = by < 32 ? in.half.high << by | in.half.low >> (32 - by) : in.half.low << (by - 32);
    return out.whole;
}

uint64_t __lshrdi3(uint64_t value, int by) {
    pair in = {value}, out;
    if (by == 0) return value;
    out.half.high = by < 32 ? in.half.high >> by : 0;
    out.half.low = by < 32 ? in.half.low >> by | in.half.high << (32 - by) : in.half.high >> (by - 32);
    return out.whole;
}

int64_t __ashrdi3(int64_t value, int by) {
    pair in = {(uint64_t)value}, out;
    int32_t high = (int32_t)in.half.high;
    if (by == 0) return value;
    out.half.high = (uint32_t)(by < 32 ? high >> by : high >> 31);
    out.half.low = by < 32 ? in.half.low >> by | in.half.high << (32 - by) : (uint32_t)(high >> (by - 32));
    return (int64_t)out.whole;
}

uint64_t __muldi3(uint64_t a, uint64_t b) {
    pair x = {a}, y = {b}, out;
    out.whole = (uint64_t)x.half.low * y.half.low;
    out.half.high += x.half.low * y.half.high + x.half.high * y.half.low;
    return out.whole;
}

/* Schoolbook, a bit a turn; division by 0 ends in a panic. */
static uint64_t divide(uint64_t a, uint64_t b, uint64_t *remainder) {
    pair x = {a}, y = {b};
    if (x.half.high == 0 && y.half.high == 0) {
        *remainder = x.half.low % y.half.low;
        return x.half.low / y.half.low;
    }
    if (b == 0) __builtin_trap();
    uint64_t quotient = 0, rest = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t carry = rest >> 63;
        rest = rest << 1 | (a >> bit & 1);
        if (carry || rest >= b) {
            rest -= b;
            quotient |= (uint64_t)1 << bit;
        }
    }
    *remainder = rest;
    return quotient;
}

uint64_t __udivdi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    return divide(a, b, &rest);
}

uint64_t __umoddi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    divide(a, b, &rest);
    return rest;
}

static uint64_t magnitude(int64_t value) {
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

int64_t __divdi3(int64_t a, int64_t b) {
    uint64_t rest, quotient = divide(magnitude(a), magnitude(b), &rest);
    return (int64_t)((a < 0) != (b < 0) ? -quotient : quotient);
}

int64_t __moddi3(int64_t a, int64_t b) {
    uint64_t rest;
    divide(magnitude(a), magnitude(b), &rest);
    return (int64_t)(a < 0 ? -rest : rest);
}
