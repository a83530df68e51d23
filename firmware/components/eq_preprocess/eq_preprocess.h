/* From a picture to the network's input, in integers: the twin of edgeq/preprocess/integer_rule.py, byte for
 * byte (docs/preprocessing.md). Depends on nothing. */
#ifndef EQ_PREPROCESS_H
#define EQ_PREPROCESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EQ_SIDE_MOST = 16384, /* rows or columns, of a picture and of an input */
    EQ_PREPROCESS_CHANNELS = 3,
    EQ_PREPROCESS_SECTION_MOST = 16 + 12 * EQ_PREPROCESS_CHANNELS,
};

typedef enum eq_resize { EQ_NEAREST = 0, EQ_BILINEAR = 1 } eq_resize;

typedef struct eq_preprocess {
    uint32_t height, width, channels; /* of the input; 1 or 3 channels */
    eq_resize method;
    int32_t multiplier[EQ_PREPROCESS_CHANNELS]; /* 22 fractional bits, at most 2^26 */
    int64_t offset[EQ_PREPROCESS_CHANNELS];     /* 46 fractional bits, at most 2^61 */
} eq_preprocess;

/* Rows of `width` pixels of `channels` bytes: 1 grey, 3 red green blue. */
typedef struct eq_picture {
    const uint8_t *pixels;
    uint32_t height, width, channels;
} eq_picture;

/* Reads a model image's section and checks every field. NULL, or a static sentence on what is wrong. */
const char *eq_preprocess_read(eq_preprocess *out, const uint8_t *section, uint32_t bytes);

/* Bytes of a picture of these dimensions; 0 where there can be none. */
uint32_t eq_picture_bytes(uint32_t height, uint32_t width, uint32_t channels);

/* Writes the input, height x width x channels of `p`. eq_picture_bytes of the picture is not 0, and the two
 * do not overlap. */
void eq_preprocess_run(const eq_preprocess *p, const eq_picture *picture, int8_t *input);

#ifdef __cplusplus
}
#endif

#endif
