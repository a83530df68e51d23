/* TensorFlow Lite Micro as an engine: runs the .tflite of the model image with MicroInterpreter. */
#ifndef EQ_TFLM_H
#define EQ_TFLM_H

#include "eq_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One model at a time: the interpreter lies in static memory, all else in the engine's arena. */
extern const eq_engine_kind eq_tflm;

/* What the build says of TFLM and of its kernels, e.g. "esp-tflite-micro 1.4.0, ESP-NN 1.1.1". May be NULL.
 */
extern const char *const eq_tflm_build;

#ifdef __cplusplus
}
namespace tflite {
class MicroOpResolver;
}
/* The operators of this firmware; generated (edgeq/toolchain/resolver.py). */
const tflite::MicroOpResolver &eq_tflm_resolver();
#endif

#endif
