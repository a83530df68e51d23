#include "convolution.h"

namespace {

struct Conv2d {
    using Params = TfLiteConvParams;
    using Choice = eq_conv2d_choice;
    static constexpr auto kPlain = EQ_CONV2D_PLAIN;
    static constexpr auto choose = eq_choose_conv2d;
    static constexpr auto set_channels = eq_set_channels;
    static constexpr auto run = eq_run_conv2d_choice;

    static TFLMRegistration theirs() {
        return tflite::Register_CONV_2D();
    }
    static bool fits(int32_t in_channels, const eq::Tensor &weights, int32_t out_channels) {
        return weights.dim(3) == in_channels && weights.dim(0) == out_channels;
    }
    static TfLiteStatus check(const int8_t *x) {
        return eq::check_words(x);
    }
};

} /* namespace */

TFLMRegistration Register_CONV_2D_EDGEQ() {
    return eq::registration<eq::Convolution<Conv2d>>();
}
