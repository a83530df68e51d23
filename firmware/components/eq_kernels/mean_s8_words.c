/* mean_s8's bytes for channels in fours: sums of words in the scratch. */
#include "scaled_s16.h"
#include "sums_words.h"

uint64_t eq_mean_s8_words_scratch(const eq_mean_words *p) {
    return sizeof(int32_t) * (p->window.channels > 1 ? 4u : (uint64_t)(uint32_t)p->in.channels);
}

static int8_t *outputs(const eq_mean_words *p, const int32_t *sums, int32_t count, int8_t *output) {
    eq_scaled_channel tail = p->tail;
    int32_t bits = p->scale_bits;
    for (int32_t i = 0; i < count; i++)
        *output++ = eq_scaled_output((int32_t)((uint32_t)sums[i] << bits), &tail, INT8_MIN, INT8_MAX);
    return output;
}

/* Over some pixels, each channel by itself. */
static int8_t *channels_kept(const eq_mean_words *p, const int8_t *from, int32_t *sums, int8_t *output) {
    int32_t channels = p->in.channels;
    for (int32_t c = 0; c < channels; c++) sums[c] = p->tail.start;
    eq_sums window = {from,    sums, channels / 4, p->window.height, p->window.width, p->in.width * channels,
                      channels};
    eq_sums_of_any(&window);
    return outputs(p, sums, channels, output);
}

/* Over all channels, too: words behind each other. */
static int8_t *channels_summed(const eq_mean_words *p, const int8_t *from, int32_t *sums, int8_t *output) {
    int32_t channels = p->in.channels;
    for (int32_t i = 0; i < 4; i++) sums[i] = 0;
    eq_sums window = {from, sums, 1, p->window.height, p->window.width * channels / 4, p->in.width * channels,
                      4};
    eq_sums_of_any(&window);
    uint32_t sum = (uint32_t)p->tail.start;
    for (int32_t i = 0; i < 4; i++) sum += (uint32_t)sums[i];
    sums[0] = (int32_t)sum;
    return outputs(p, sums, 1, output);
}

void eq_mean_s8_words(const eq_mean_words *p, const int8_t *input, int8_t *output, void *scratch) {
    for (int32_t y = 0; y < p->in.height; y += p->window.height)
        for (int32_t x = 0; x < p->in.width; x += p->window.width) {
            const int8_t *from = input + (y * p->in.width + x) * p->in.channels;
            output = (p->window.channels > 1 ? channels_summed : channels_kept)(p, from, scratch, output);
        }
}
