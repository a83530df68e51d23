/* A picture to classify: 8 x 8 grey pixels, as the digits that resnet18-digits was trained with. */
#ifndef DIGIT_H
#define DIGIT_H

#include <stdint.h>

enum { DIGIT_SIDE = 8 };

extern const uint8_t digit[DIGIT_SIDE * DIGIT_SIDE];

#endif
