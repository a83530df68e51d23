#include "cycles.h"

uint64_t cycles_at(cycles *last, uint32_t count, uint64_t us, uint32_t mhz) {
    uint32_t passed = count - last->count; /* but for whole rounds */
    uint64_t about = (us - last->us) * mhz;
    uint64_t rounds = (about - passed + (UINT64_C(1) << 31)) >> 32;
    /* The timer may be a little behind: then about is less than passed, and the sum above still comes out
     * small. */
    *last = (cycles){last->total + (rounds << 32) + passed, us, count};
    return last->total;
}
