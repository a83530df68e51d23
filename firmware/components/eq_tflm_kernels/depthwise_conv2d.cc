#include "convolution.h"

namespace {

struct DepthwiseConv2d {
    using Params = TfLiteDepthwiseConvParams;
    using Choice = eq_depthwise_choice;
    static constexpr auto kPlain = EQ_DEPTHWISE_PLAIN;
    static constexpr auto choose = eq_choose_depthwise;
    static constexpr auto run = eq_run_depthwise_choice;

    static TFLMRegistration theirs() {
        return tflite::Register_DEPTHWISE_CONV_2D();
    }
    static bool fits(int32_t in_channels, const eq::Tensor &weights, int32_t out_channels) {
        return weights.dim(3) == out_channels && out_channels % in_channels == 0;
    }
    static void set_channels(Choice *choice, const eq_scaled_channel *channels) {
        choice->as.mac16.channels = channels;
    }
    static TfLiteStatus check(const int8_t *) { /* its kernels ask for no boundary */
        return kTfLiteOk;
    }
};

} /* namespace */

TFLMRegistration Register_DEPTHWISE_CONV_2D_EDGEQ() {
    return eq::registration<eq::Convolution<DepthwiseConv2d>>();
}
