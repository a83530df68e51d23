/* A model image in the application, and pictures to labels with it. */
#ifndef CLASSIFIER_H
#define CLASSIFIER_H

#include <stdint.h>

#include "eq_preprocess.h"

typedef struct classification {
    uint32_t index;
    float score; /* the output as the network means it: of an output that ends in softmax, a probability */
    const char *label; /* not terminated */
    int label_bytes;   /* 0 where the model has no labels */
} classification;

/* NULL, or what is wrong with the model or too large for the buffers, as a sentence. Call it once. */
const char *classifier_open(void);

/* The class with the highest output. NULL, or what went wrong. */
const char *classify(const eq_picture *picture, classification *result);

#endif
