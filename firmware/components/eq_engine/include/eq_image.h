/* The model image in its partition (docs/plan-format.md): where its sections lie. */
#ifndef EQ_IMAGE_H
#define EQ_IMAGE_H

#include "eq_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eq_section_kind {
    EQ_SECTION_PLAN = 1,
    EQ_SECTION_TFLITE = 2,
    EQ_SECTION_GOLDEN = 3,
    EQ_SECTION_NAME = 4,
    EQ_SECTION_LABELS = 5,
    EQ_SECTION_PREPROCESS = 6,
    EQ_SECTION_TFLM = 7,
    EQ_SECTION_KINDS,
} eq_section_kind;

typedef struct eq_section {
    uint32_t offset, bytes;
} eq_section;

typedef struct eq_image {
    uint32_t bytes;
    eq_section sections[EQ_SECTION_KINDS]; /* by kind; bytes 0 where absent */
    uint8_t sha256[32];
} eq_image;

enum { EQ_IMAGE_HEADER_BYTES = 16 };

/* How long the image says it is; 0 if the header is not one's, or too long for its partition. */
uint32_t eq_image_bytes(const uint8_t header[EQ_IMAGE_HEADER_BYTES], uint32_t partition_bytes);

/* Checks header, section table and SHA-256; fills fault if the result is not EQ_OK. */
eq_status eq_image_check(eq_image *image, const eq_hal *hal, eq_fault *fault);

#ifdef __cplusplus
}
#endif

#endif
