/* edgeq's INT8 kernels as kernels of TensorFlow Lite Micro: for MicroMutableOpResolver's AddConv2D() and its
 * like. The bytes are those of TFLM's reference kernels. What is not int8, or not ours (docs/tflm.md), goes
 * to the kernel that TFLM itself would have registered. */
#ifndef EQ_TFLM_KERNELS_H
#define EQ_TFLM_KERNELS_H

#include "tensorflow/lite/micro/micro_common.h"

TFLMRegistration Register_CONV_2D_EDGEQ();
TFLMRegistration Register_DEPTHWISE_CONV_2D_EDGEQ();
TFLMRegistration Register_FULLY_CONNECTED_EDGEQ();
TFLMRegistration Register_ADD_EDGEQ();
TFLMRegistration Register_MAX_POOL_2D_EDGEQ();
TFLMRegistration Register_AVERAGE_POOL_2D_EDGEQ();

#endif
