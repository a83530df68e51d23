/* The OV2640 of an AI-Thinker ESP32-CAM, in grey. */
#ifndef CAMERA_H
#define CAMERA_H

#include "esp_err.h"

esp_err_t camera_open(void);

#endif
