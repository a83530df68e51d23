/* Classifies one picture and prints its label. */
#include <stdio.h>

#include "classifier.h"
#include "digit.h"

void app_main(void) {
    const eq_picture picture = {digit, DIGIT_SIDE, DIGIT_SIDE, 1};
    classification found;
    const char *problem = classifier_open();
    if (!problem) problem = classify(&picture, &found);
    if (problem)
        printf("classify: %s\n", problem);
    else
        printf("classify: %.*s, class %u, score %.2f\n", found.label_bytes, found.label,
               (unsigned)found.index, (double)found.score);
}
