/* Says what the camera sees, frame by frame. */
#include <stdio.h>

#include "camera.h"
#include "classifier.h"
#include "esp_camera.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

static const char *classify_frame(classification *found) {
    camera_fb_t *frame = esp_camera_fb_get();
    if (!frame) return "the camera gives no frame";
    const eq_picture picture = {frame->buf, (uint32_t)frame->height, (uint32_t)frame->width, 1};
    const char *problem = frame->len < frame->height * frame->width ? "a frame is cut off" : NULL;
    if (!problem) problem = classify(&picture, found);
    esp_camera_fb_return(frame);
    return problem;
}

void app_main(void) {
    const char *problem = classifier_open();
    if (!problem && camera_open() != ESP_OK) problem = "the camera does not start: is its ribbon in place?";
    while (!problem) {
        classification found;
        int64_t start_us = esp_timer_get_time();
        problem = classify_frame(&found);
        if (problem) break;
        printf("%.*s, class %u, score %.2f, %u ms\n", found.label_bytes, found.label, (unsigned)found.index,
               (double)found.score, (unsigned)((esp_timer_get_time() - start_us) / 1000));
        vTaskDelay(1); /* lets the idle task run: it feeds the watchdog */
    }
    printf("stopped: %s\n", problem);
}
