/* The model image that `edgeq build --embed array` writes to generated/model_image.c; 16-byte aligned. */
#ifndef MODEL_IMAGE_H
#define MODEL_IMAGE_H

#include <stdint.h>

extern const uint32_t eq_model_image_bytes;
extern const uint8_t eq_model_image[];

#endif
