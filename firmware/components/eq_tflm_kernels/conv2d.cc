#include "convolution.h"

namespace {

class Conv2d {
  public:
    static TFLMRegistration theirs() {
        return tflite::Register_CONV_2D();
    }
    eq::Fit prepare(TfLiteContext *context, TfLiteNode *node);
    TfLiteStatus run(TfLiteContext *context, TfLiteNode *node) const;

  private:
    int32_t batches_, in_bytes_, out_bytes_;
    eq_conv2d_choice choice_;
    int scratch_;
};

eq::Fit Conv2d::prepare(TfLiteContext *context, TfLiteNode *node) {
    eq::Tensor x = eq::Tensor::input(context, node, 0), weights = eq::Tensor::input(context, node, 1);
    eq::Tensor bias = eq::Tensor::input(context, node, 2), y = eq::Tensor::output(context, node);
    if (!x.is_int8() || !y.is_int8() || !eq::are_constants(context, node, weights, bias) || x.rank() != 4 ||
        y.rank() != 4 || weights.rank() != 4 || weights.dim(3) != x.dim(3) || weights.dim(0) != y.dim(3) ||
        !eq::has_scales(weights, y.dim(3)))
        return eq::Fit::kTheirs;
    const auto &params = *static_cast<const TfLiteConvParams *>(node->builtin_data);
    batches_ = x.dim(0);
    in_bytes_ = x.elements() / batches_;
    out_bytes_ = y.elements() / batches_;

    int32_t channels = y.dim(3);
    eq::Temporary<int32_t> factors(context, 2 * channels);
    eq::Temporary<eq_scaled_channel> scaled(context, channels);
    if (!factors.get() || !scaled.get()) return eq::Fit::kError;
    eq_conv2d conv = {};
    conv.in = x.shape();
    conv.out = y.shape();
    conv.window = eq::window_of(params, x, weights);
    if (eq::set_factors(context, x, weights, bias, y, params.activation, factors.get(), &conv) != kTfLiteOk)
        return eq::Fit::kError;
    const int32_t *bias_data = bias.get() ? bias->data.i32 : nullptr;
    eq_limits limits = eq::kLimits;
    choice_ = eq_choose_conv2d(&conv, weights->data.int8, bias_data, &limits, scaled.get());

    if (choice_.kernel == EQ_CONV2D_PLAIN) {
        if (!eq::keep_factors(context, &choice_.as.plain)) return eq::Fit::kError;
    } else {
        const eq_scaled_channel *kept = eq::keep(context, scaled.get(), channels);
        if (!kept) return eq::Fit::kError;
        eq_set_channels(&choice_, kept);
    }
    return eq::fit(eq::request(context, choice_.scratch_bytes, &scratch_));
}

TfLiteStatus Conv2d::run(TfLiteContext *context, TfLiteNode *node) const {
    const int8_t *x = eq::input(context, node), *weights = eq::input(context, node, 1);
    int8_t *y = eq::output(context, node);
    TF_LITE_ENSURE_STATUS(eq::check_words(x));
    void *scratch = eq::scratch(context, scratch_);
    for (int32_t i = 0; i < batches_; i++, x += in_bytes_, y += out_bytes_)
        eq_run_conv2d_choice(&choice_, x, weights, eq::bias(context, node), y, scratch);
    return kTfLiteOk;
}

} /* namespace */

TFLMRegistration Register_CONV_2D_EDGEQ() {
    return eq::registration<Conv2d>();
}
