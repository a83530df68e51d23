#include "registration.h"

namespace {

class FullyConnected {
  public:
    static TFLMRegistration theirs() {
        return tflite::Register_FULLY_CONNECTED();
    }
    eq::Fit prepare(TfLiteContext *context, TfLiteNode *node);
    TfLiteStatus run(TfLiteContext *context, TfLiteNode *node) const;

  private:
    eq_fully_connected plain_;      /* where there is no scratch */
    eq_fully_connected_mac16 fast_; /* else */
    int scratch_;
};

/* Of each output: its own, or all have one. */
TfLiteStatus set_factors(TfLiteContext *context, const eq::Tensor &x, const eq::Tensor &weights,
                         const eq::Tensor &bias, const eq::Tensor &y, int32_t *multipliers, int32_t *shifts) {
    const auto *quant = static_cast<const TfLiteAffineQuantization *>(weights->quantization.params);
    double factor = 0;
    if (quant->scale->size == 1)
        TF_LITE_ENSURE_STATUS(tflite::GetQuantizedConvolutionMultipler(context, x.get(), weights.get(),
                                                                       bias.get(), y.get(), &factor));
    for (int i = 0; i < weights.dim(0); i++) {
        if (quant->scale->size > 1) {
            factor = static_cast<double>(x->params.scale) * static_cast<double>(quant->scale->data[i]);
            factor /= static_cast<double>(y->params.scale);
        }
        int shift = 0;
        tflite::QuantizeMultiplier(factor, &multipliers[i], &shift);
        shifts[i] = shift;
    }
    return kTfLiteOk;
}

eq::Fit FullyConnected::prepare(TfLiteContext *context, TfLiteNode *node) {
    eq::Tensor x = eq::Tensor::input(context, node, 0), weights = eq::Tensor::input(context, node, 1);
    eq::Tensor bias = eq::Tensor::input(context, node, 2), y = eq::Tensor::output(context, node);
    if (!x.is_int8() || !y.is_int8() || !eq::are_constants(context, node, weights, bias) ||
        weights.rank() != 2)
        return eq::Fit::kTheirs;
    const auto *quant = static_cast<const TfLiteAffineQuantization *>(weights->quantization.params);
    int32_t outputs = weights.dim(0), inputs = weights.dim(1), rows = y.elements() / outputs;
    if (!quant || !quant->scale || (quant->scale->size != 1 && quant->scale->size != outputs) ||
        (quant->scale->size > 1 && quant->quantized_dimension != 0) || y.elements() != rows * outputs ||
        x.elements() != rows * inputs)
        return eq::Fit::kTheirs;

    eq::Temporary<int32_t> factors(context, 2 * outputs);
    eq::Temporary<eq_scaled_channel> scaled(context, outputs);
    if (!factors.get() || !scaled.get()) return eq::Fit::kError;
    eq_layer layer = {weights->data.int8,
                      inputs,
                      1,
                      bias.get() ? bias->data.i32 : nullptr,
                      factors.get(),
                      factors.get() + outputs,
                      outputs,
                      inputs,
                      x->params.zero_point,
                      {y->params.zero_point, 0, 0}};
    const auto &params = *static_cast<const TfLiteFullyConnectedParams *>(node->builtin_data);
    if (set_factors(context, x, weights, bias, y, factors.get(), factors.get() + outputs) != kTfLiteOk ||
        tflite::CalculateActivationRangeQuantized(context, params.activation, y.get(), &layer.output.min,
                                                  &layer.output.max) != kTfLiteOk)
        return eq::Fit::kError;

    eq_limits limits = eq::kLimits;
    uint32_t scratch_bytes = eq_choose_fully_connected(&layer, &limits, scaled.get());
    const void *kept = nullptr;
    if (scratch_bytes) {
        const eq_scaled_channel *channels = eq::keep(context, scaled.get(), outputs);
        fast_ = {rows, inputs, outputs, layer.output.min, layer.output.max, channels};
        kept = channels;
    } else {
        const int32_t *both = eq::keep(context, factors.get(), 2 * outputs);
        plain_ = {rows, inputs, outputs, layer.in_zero_point, layer.output, both, both + outputs};
        kept = both;
    }
    if (!kept) return eq::Fit::kError;
    return eq::fit(eq::request(context, scratch_bytes, &scratch_));
}

TfLiteStatus FullyConnected::run(TfLiteContext *context, TfLiteNode *node) const {
    const int8_t *x = eq::input(context, node), *weights = eq::input(context, node, 1);
    int8_t *y = eq::output(context, node);
    if (scratch_ == eq::kNoScratch)
        eq_fully_connected_s8(&plain_, x, weights, eq::bias(context, node), y);
    else
        eq_fully_connected_s8_mac16(&fast_, x, weights, y, eq::scratch(context, scratch_));
    return kTfLiteOk;
}

} /* namespace */

TFLMRegistration Register_FULLY_CONNECTED_EDGEQ() {
    return eq::registration<FullyConnected>();
}
