/* What `info` says of TensorFlow Lite Micro. The versions are those of the components that were built in. */
#include "eq_tflm.h"
#include "sdkconfig.h"

/* A board that runs TFLM's reference kernels is ten times slower, and nothing else tells. */
#if CONFIG_NN_OPTIMIZED
#define OPTIMISED "yes"
#else
#define OPTIMISED "no"
#endif

const char *const eq_tflm_build = "esp-tflite-micro " EQ_ESP_TFLITE_MICRO_VERSION
                                  ", ESP-NN " EQ_ESP_NN_VERSION ", ESP-NN enabled: " OPTIMISED;
