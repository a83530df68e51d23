/* What both convolutions read of a node. For the .cc files of this folder. */
#ifndef EQ_CONVOLUTION_H
#define EQ_CONVOLUTION_H

#include "registration.h"

namespace eq {

/* TfLiteConvParams or TfLiteDepthwiseConvParams to a window over the input; the output's shape is TFLM's. */
template <class Params> eq_window window_of(const Params &params, const Tensor &x, const Tensor &weights) {
    int height = 0, width = 0;
    TfLitePaddingValues padding = tflite::ComputePaddingHeightWidth(
        params.stride_height, params.stride_width, params.dilation_height_factor,
        params.dilation_width_factor, x.dim(1), x.dim(2), weights.dim(1), weights.dim(2), params.padding,
        &height, &width);
    return {weights.dim(1),
            weights.dim(2),
            params.stride_height,
            params.stride_width,
            params.dilation_height_factor,
            params.dilation_width_factor,
            padding.height,
            padding.width};
}

/* The factors of a convolution's output channels, of which the first half are multipliers. */
inline TfLiteStatus set_factors(TfLiteContext *context, const Tensor &x, const Tensor &weights,
                                const Tensor &bias, const Tensor &y, TfLiteFusedActivation activation,
                                int32_t *factors, eq_conv2d *conv) {
    int32_t multiplier = 0;
    int shift = 0, channels = conv->out.channels;
    TF_LITE_ENSURE_STATUS(tflite::PopulateConvolutionQuantizationParams(
        context, x.get(), weights.get(), bias.get(), y.get(), activation, &multiplier, &shift,
        &conv->output.min, &conv->output.max, factors, factors + channels, channels));
    conv->in_zero_point = x->params.zero_point;
    conv->output.zero_point = y->params.zero_point;
    conv->multipliers = factors;
    conv->shifts = factors + channels;
    return kTfLiteOk;
}

/* Factors that live on. */
inline bool keep_factors(TfLiteContext *context, eq_conv2d *conv) {
    const int32_t *factors = keep(context, conv->multipliers, 2 * conv->out.channels);
    conv->multipliers = factors;
    conv->shifts = factors + conv->out.channels;
    return factors != nullptr;
}

/* Whether each output channel has a scale, or all have one. */
inline bool has_scales(const Tensor &weights, int32_t channels) {
    const auto *quant = static_cast<const TfLiteAffineQuantization *>(weights->quantization.params);
    return quant && quant->scale && (quant->scale->size == 1 || quant->scale->size == channels);
}

} /* namespace eq */

#endif
