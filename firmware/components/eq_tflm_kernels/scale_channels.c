#include "eq_choose.h"

/* What a channel's weights make of its sums. */
typedef struct sums {
    int64_t start;     /* of a sum, unscaled but for `pairs` */
    int64_t pairs;     /* taken off 256 times a sum */
    int64_t low, high; /* what a sum can reach, bias included */
} sums;

static sums sums_of(const eq_layer *layer, int32_t channel, eq_start start) {
    const int8_t *at = layer->weights + (int64_t)channel * layer->channel_step;
    int64_t up = 0, down = 0, even = 0, bias = layer->bias ? layer->bias[channel] : 0;
    for (int32_t i = 0; i < layer->products; i++) {
        int32_t w = at[(int64_t)i * layer->product_step];
        if (w > 0)
            up += w;
        else
            down += w;
        if (i % 2 == 0) even += w + 128;
    }
    int64_t least = -128 - layer->in_zero_point, most = 127 - layer->in_zero_point;
    int64_t zero = start == EQ_START_BIAS      ? 0
                   : start == EQ_START_WIDENED ? layer->in_zero_point + 128
                                               : layer->in_zero_point;
    return (sums){
        .start = bias - zero * (up + down),
        .pairs = start == EQ_START_PAIRS ? 127 * even : 0,
        .low = bias + up * least + down * most,
        .high = bias + up * most + down * least,
    };
}

static bool fits(int64_t value) {
    return value >= INT32_MIN && value <= INT32_MAX;
}

/* All of a channel but its start. */
static bool set_tail(const eq_layer *layer, int32_t channel, const sums *sum, int32_t bits,
                     eq_scaled_channel *to) {
    int64_t multiplier = layer->multipliers[channel], z = layer->output.zero_point;
    int32_t shift = layer->shifts[channel], right = bits - 1 - shift;
    int64_t half = shift < 0 ? (int64_t)1 << (-shift - 1) : 1;
    int64_t size = sum->high > -sum->low ? sum->high : -sum->low;
    if (!fits(size)) return false;
    if (shift < 0 && size * multiplier + (1 << 30) < half << 31) { /* nothing but the zero point */
        *to = (eq_scaled_channel){.up = (int32_t)(2 * z), .down = (int32_t)(2 * z), .shift = 1};
        return true;
    }
    if (right < 1 || right > 31) return false;
    int64_t up = z * ((int64_t)1 << right) + ((int64_t)1 << (right - 1));
    if (shift < 0) up += 1 << (bits - 2);
    int64_t down = up - (shift < 0 && layer->output.min < z ? 1 << (bits - 1) : 0);
    int64_t low = sum->low * (1 << bits), high = sum->high * (1 << bits);
    if (!fits(low) || !fits(high) || !fits(up) || !fits(down)) return false;
    if (!fits((low * multiplier >> 32) + down) || !fits((high * multiplier >> 32) + up)) return false;
    *to = (eq_scaled_channel){
        .multiplier = (int32_t)multiplier, .up = (int32_t)up, .down = (int32_t)down, .shift = right};
    return true;
}

bool eq_scale_channels(const eq_layer *layer, int32_t bits, eq_start start, eq_scaled_channel *channels) {
    for (int32_t c = 0; c < layer->channels; c++) {
        sums sum = sums_of(layer, c, start);
        if (!set_tail(layer, c, &sum, bits, &channels[c])) return false;
        channels[c].start = (int32_t)(((uint32_t)sum.start << bits) - (uint32_t)sum.pairs);
    }
    return true;
}
