/* What both convolutions do. For the .cc files of this folder. */
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

/* A convolution as a kernel of TFLM's. `Kind` says what is its own: the type Params of the node's parameters,
 * Choice and the choice that is `kPlain`, and the functions below that are called by its name. */
template <class Kind> class Convolution {
  public:
    static TFLMRegistration theirs() {
        return Kind::theirs();
    }
    Fit prepare(TfLiteContext *context, TfLiteNode *node);
    TfLiteStatus run(TfLiteContext *context, TfLiteNode *node) const;

  private:
    int32_t batches_, in_bytes_, out_bytes_;
    typename Kind::Choice choice_;
    int scratch_;
};

template <class Kind> Fit Convolution<Kind>::prepare(TfLiteContext *context, TfLiteNode *node) {
    Tensor x = Tensor::input(context, node, 0), weights = Tensor::input(context, node, 1);
    Tensor bias = Tensor::input(context, node, 2), y = Tensor::output(context, node);
    if (!x.is_int8() || !y.is_int8() || !are_constants(context, node, weights, bias) || x.rank() != 4 ||
        y.rank() != 4 || weights.rank() != 4 || !Kind::fits(x.dim(3), weights, y.dim(3)) ||
        !has_scales(weights, y.dim(3)))
        return Fit::kTheirs;
    const auto &params = *static_cast<const typename Kind::Params *>(node->builtin_data);
    batches_ = x.dim(0);
    in_bytes_ = x.elements() / batches_;
    out_bytes_ = y.elements() / batches_;

    int32_t channels = y.dim(3);
    Temporary<int32_t> factors(context, 2 * channels);
    Temporary<eq_scaled_channel> scaled(context, channels);
    if (!factors.get() || !scaled.get()) return Fit::kError;
    eq_conv2d conv = {};
    conv.in = x.shape();
    conv.out = y.shape();
    conv.window = window_of(params, x, weights);
    if (set_factors(context, x, weights, bias, y, params.activation, factors.get(), &conv) != kTfLiteOk)
        return Fit::kError;
    const int32_t *bias_data = bias.get() ? bias->data.i32 : nullptr;
    eq_limits limits = kLimits;
    choice_ = Kind::choose(&conv, weights->data.int8, bias_data, &limits, scaled.get());

    if (choice_.kernel == Kind::kPlain) {
        if (!keep_factors(context, &choice_.as.plain)) return Fit::kError;
    } else {
        const eq_scaled_channel *kept = keep(context, scaled.get(), channels);
        if (!kept) return Fit::kError;
        Kind::set_channels(&choice_, kept);
    }
    return fit(request(context, choice_.scratch_bytes, &scratch_));
}

template <class Kind> TfLiteStatus Convolution<Kind>::run(TfLiteContext *context, TfLiteNode *node) const {
    const int8_t *x = input(context, node), *weights = input(context, node, 1);
    int8_t *y = output(context, node);
    TF_LITE_ENSURE_STATUS(Kind::check(x));
    void *memory = scratch(context, scratch_);
    for (int32_t i = 0; i < batches_; i++, x += in_bytes_, y += out_bytes_)
        Kind::run(&choice_, x, weights, bias(context, node), y, memory);
    return kTfLiteOk;
}

} /* namespace eq */

#endif
