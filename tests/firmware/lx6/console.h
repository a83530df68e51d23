/* The port's console and clock under the names that both emulated cores have. */
#ifndef EQ_LX6_CONSOLE_H
#define EQ_LX6_CONSOLE_H

#include <string.h>

#include "ccount.h"
#include "simcall.h"

enum { IMAGE_ADDRESS = 0x04000000 };

extern uint8_t bss_start[], bss_end[];

static inline void console_start(void) {
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    ccount_synchronise();
}

#endif
