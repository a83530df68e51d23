#include "registration.h"

namespace {

constexpr int kLeftShift = 20; /* docs/numerics.md#add */

class Add {
  public:
    static TFLMRegistration theirs() {
        return tflite::Register_ADD();
    }
    eq::Fit prepare(TfLiteContext *context, TfLiteNode *node);
    TfLiteStatus run(TfLiteContext *context, TfLiteNode *node) const;

  private:
    eq_add plain_; /* where there is no table */
    eq_add_table table_;
    bool by_table_;
};

eq_factor factor_below_one(double factor) {
    eq_factor made = {};
    int shift = 0;
    tflite::QuantizeMultiplierSmallerThanOneExp(factor, &made.multiplier, &shift);
    made.shift = shift;
    return made;
}

/* Both operands are brought to twice the larger scale. */
eq_add sum_of(const eq::Tensor &a, const eq::Tensor &b, const eq::Tensor &y) {
    double one = static_cast<double>(a->params.scale), other = static_cast<double>(b->params.scale);
    double twice = 2 * (one > other ? one : other);
    eq_shape shape = {1, 1, y.elements()};
    eq_add add = {};
    add.operands = {shape, shape, shape};
    add.a_zero_point = a->params.zero_point;
    add.b_zero_point = b->params.zero_point;
    add.left_shift = kLeftShift;
    add.a = factor_below_one(one / twice);
    add.b = factor_below_one(other / twice);
    add.sum = factor_below_one(twice / ((1 << kLeftShift) * static_cast<double>(y->params.scale)));
    add.output.zero_point = y->params.zero_point;
    return add;
}

eq::Fit Add::prepare(TfLiteContext *context, TfLiteNode *node) {
    eq::Tensor a = eq::Tensor::input(context, node, 0), b = eq::Tensor::input(context, node, 1);
    eq::Tensor y = eq::Tensor::output(context, node);
    if (!a.is_int8() || !b.is_int8() || !y.is_int8() || !y.elements() ||
        !tflite::HaveSameShapes(a.get(), b.get()) || a.elements() != y.elements())
        return eq::Fit::kTheirs;
    const auto &params = *static_cast<const TfLiteAddParams *>(node->builtin_data);
    plain_ = sum_of(a, b, y);
    if (tflite::CalculateActivationRangeQuantized(context, params.activation, y.get(), &plain_.output.min,
                                                  &plain_.output.max) != kTfLiteOk)
        return eq::Fit::kError;
    by_table_ = eq_can_add_by_table(&plain_);
    if (!by_table_) return eq::Fit::kOurs;
    void *tables = context->AllocatePersistentBuffer(context, EQ_ADD_TABLES * sizeof(int32_t));
    if (!tables) return eq::Fit::kError;
    eq_make_add_table(&plain_, y.elements(), static_cast<int32_t *>(tables), &table_);
    return eq::Fit::kOurs;
}

TfLiteStatus Add::run(TfLiteContext *context, TfLiteNode *node) const {
    const int8_t *a = eq::input(context, node), *b = eq::input(context, node, 1);
    int8_t *y = eq::output(context, node);
    if (by_table_)
        eq_add_s8_table(&table_, a, b, y);
    else
        eq_add_s8(&plain_, a, b, y);
    return kTfLiteOk;
}

} /* namespace */

TFLMRegistration Register_ADD_EDGEQ() {
    return eq::registration<Add>();
}
