#include "eq_choose.h"

enum { BITS = 8 };

uint32_t eq_choose_fully_connected(const eq_layer *layer, const eq_limits *limits,
                                   eq_scaled_channel *channels) {
    uint64_t scratch_bytes = 2 * (uint64_t)(uint32_t)layer->products + 8;
    if (!limits->mac16 || layer->products % 4 || (uintptr_t)layer->weights % 4 ||
        scratch_bytes > limits->scratch_bytes || !eq_scale_channels(layer, BITS, EQ_START_PAIRS, channels))
        return 0;
    return (uint32_t)scratch_bytes;
}
