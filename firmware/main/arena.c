#include "arena.h"

#include "esp_attr.h"

#if CONFIG_EQ_ARENA_PSRAM
#define ARENA_MEMORY EXT_RAM_BSS_ATTR
#else
#define ARENA_MEMORY
#endif

ARENA_MEMORY _Alignas(16) int8_t eq_arena[CONFIG_EQ_ARENA_BYTES];

/* Internal: the kernels go over it many times. */
_Alignas(16) uint8_t eq_scratch[CONFIG_EQ_SCRATCH_BYTES];
