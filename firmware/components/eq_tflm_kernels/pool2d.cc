#include "registration.h"

namespace {

typedef void (*Kernel)(const eq_pool2d *p, const int8_t *input, int8_t *output);

/* Both pools differ in their kernels alone. */
template <TFLMRegistration (*Theirs)(), Kernel Plain, Kernel Words> class Pool2d {
  public:
    static TFLMRegistration theirs() {
        return Theirs();
    }

    eq::Fit prepare(TfLiteContext *context, TfLiteNode *node) {
        eq::Tensor x = eq::Tensor::input(context, node, 0), y = eq::Tensor::output(context, node);
        if (!x.is_int8() || !y.is_int8() || x.rank() != 4 || y.rank() != 4 || x.dim(3) != y.dim(3) ||
            x->params.scale != y->params.scale || x->params.zero_point != y->params.zero_point)
            return eq::Fit::kTheirs;
        const auto &params = *static_cast<const TfLitePoolParams *>(node->builtin_data);
        int height = 0, width = 0;
        TfLitePaddingValues padding = tflite::ComputePaddingHeightWidth(
            params.stride_height, params.stride_width, 1, 1, x.dim(1), x.dim(2), params.filter_height,
            params.filter_width, params.padding, &height, &width);
        batches_ = x.dim(0);
        pool_ = {x.shape(),
                 y.shape(),
                 {params.filter_height, params.filter_width, params.stride_height, params.stride_width, 1, 1,
                  padding.height, padding.width},
                 0,
                 0};
        if (tflite::CalculateActivationRangeQuantized(context, params.activation, y.get(), &pool_.min,
                                                      &pool_.max) != kTfLiteOk)
            return eq::Fit::kError;
        bool whole = pool_.min == INT8_MIN && pool_.max == INT8_MAX;
        by_words_ = Words && eq::kLimits.mac16 && whole && x.dim(3) % 4 == 0;
        return eq::Fit::kOurs;
    }

    TfLiteStatus run(TfLiteContext *context, TfLiteNode *node) const {
        const int8_t *x = eq::input(context, node);
        int8_t *y = eq::output(context, node);
        if (by_words_) TF_LITE_ENSURE_STATUS(eq::check_words(x));
        for (int32_t i = 0; i < batches_; i++) {
            (by_words_ ? Words : Plain)(&pool_, x, y);
            x += pool_.in.height * pool_.in.width * pool_.in.channels;
            y += pool_.out.height * pool_.out.width * pool_.out.channels;
        }
        return kTfLiteOk;
    }

  private:
    int32_t batches_;
    eq_pool2d pool_;
    bool by_words_;
};

using MaxPool2d = Pool2d<tflite::Register_MAX_POOL_2D, eq_max_pool2d_s8, eq_max_pool2d_s8_words>;
using AveragePool2d = Pool2d<tflite::Register_AVERAGE_POOL_2D, eq_average_pool2d_s8, nullptr>;

} /* namespace */

TFLMRegistration Register_MAX_POOL_2D_EDGEQ() {
    return eq::registration<MaxPool2d>();
}

TFLMRegistration Register_AVERAGE_POOL_2D_EDGEQ() {
    return eq::registration<AveragePool2d>();
}
