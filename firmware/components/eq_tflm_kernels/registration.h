/* What all registrations have in common: an operator of ours is asked first whether it takes a node; TFLM's
 * own kernel gets all others. For the .cc files of this folder. */
#ifndef EQ_REGISTRATION_H
#define EQ_REGISTRATION_H

#include <new>

#include "eq_choose.h"
#include "eq_tflm_kernels.h"
#include "tensorflow/lite/c/builtin_op_data.h"
#include "tensorflow/lite/kernels/internal/quantization_util.h"
#include "tensorflow/lite/kernels/kernel_util.h"
#include "tensorflow/lite/kernels/padding.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/kernels/micro_ops.h"
#include "tensorflow/lite/micro/micro_context.h"
#include "tensorflow/lite/micro/micro_log.h"

#if TFLITE_SINGLE_ROUNDING
#error "edgeq's kernels round twice, as TFLite's do unless TFLITE_SINGLE_ROUNDING is set"
#endif

#if !defined(EQ_TFLM_SCRATCH_BYTES)
#define EQ_TFLM_SCRATCH_BYTES 98304
#endif

namespace eq {

#if defined(EQ_MAC16) || defined(EQ_TFLM_TWINS) /* in a test: the twins in C of what is in assembly */
constexpr eq_limits kLimits = {true, EQ_TFLM_SCRATCH_BYTES};
#else
constexpr eq_limits kLimits = {false, 0};
#endif
constexpr int kNoScratch = -1;

/* What an operator says of a node. */
enum class Fit { kOurs, kTheirs, kError };

inline Fit fit(TfLiteStatus status) {
    return status == kTfLiteOk ? Fit::kOurs : Fit::kError;
}

/* A tensor as Prepare sees it, given back at the end. */
class Tensor {
  public:
    static Tensor input(TfLiteContext *context, TfLiteNode *node, int index) {
        auto *micro = tflite::GetMicroContext(context);
        return Tensor(micro, micro->AllocateTempInputTensor(node, index));
    }
    static Tensor output(TfLiteContext *context, TfLiteNode *node) {
        auto *micro = tflite::GetMicroContext(context);
        return Tensor(micro, micro->AllocateTempOutputTensor(node, 0));
    }
    Tensor(const Tensor &) = delete;
    Tensor &operator=(const Tensor &) = delete;
    Tensor(Tensor &&other) : micro_(other.micro_), tensor_(other.tensor_) {
        other.tensor_ = nullptr;
    }
    ~Tensor() {
        if (tensor_) micro_->DeallocateTempTfLiteTensor(tensor_);
    }

    TfLiteTensor *get() const {
        return tensor_;
    }
    TfLiteTensor *operator->() const {
        return tensor_;
    }
    bool is(TfLiteType type) const {
        return tensor_ && tensor_->type == type;
    }
    bool is_int8() const {
        return is(kTfLiteInt8) && tensor_->quantization.type == kTfLiteAffineQuantization;
    }
    bool is_constant() const {
        return tensor_->allocation_type == kTfLiteMmapRo && tensor_->data.data;
    }
    int rank() const {
        return tensor_->dims->size;
    }
    int dim(int i) const {
        return tensor_->dims->data[i];
    }
    int32_t elements() const {
        int32_t total = 1;
        for (int i = 0; i < rank(); i++) total *= dim(i);
        return total;
    }
    /* Of NHWC. */
    eq_shape shape() const {
        return {dim(1), dim(2), dim(3)};
    }

  private:
    Tensor(tflite::MicroContext *micro, TfLiteTensor *tensor) : micro_(micro), tensor_(tensor) {
    }
    tflite::MicroContext *micro_;
    TfLiteTensor *tensor_;
};

/* Memory for the length of a Prepare. */
template <class T> class Temporary {
  public:
    Temporary(TfLiteContext *context, int32_t count)
        : micro_(tflite::GetMicroContext(context)),
          bytes_(micro_->AllocateTempBuffer(static_cast<size_t>(count) * sizeof(T), alignof(T))) {
    }
    Temporary(const Temporary &) = delete;
    Temporary &operator=(const Temporary &) = delete;
    ~Temporary() {
        if (bytes_) micro_->DeallocateTempBuffer(bytes_);
    }
    T *get() const {
        return reinterpret_cast<T *>(bytes_);
    }

  private:
    tflite::MicroContext *micro_;
    uint8_t *bytes_;
};

/* A copy that lives as long as the interpreter; nullptr where the arena is too small. */
template <class T> T *keep(TfLiteContext *context, const T *from, int32_t count) {
    auto *to =
        static_cast<T *>(context->AllocatePersistentBuffer(context, static_cast<size_t>(count) * sizeof(T)));
    for (int32_t i = 0; to && i < count; i++) to[i] = from[i];
    return to;
}

/* No scratch is asked for where none is needed. */
inline TfLiteStatus request(TfLiteContext *context, uint32_t bytes, int *index) {
    *index = kNoScratch;
    return bytes ? context->RequestScratchBufferInArena(context, bytes, index) : kTfLiteOk;
}

inline void *scratch(TfLiteContext *context, int index) {
    return index == kNoScratch ? nullptr : context->GetScratchBuffer(context, index);
}

/* Weights and bias that are in the model as they are used. */
inline bool are_constants(TfLiteContext *context, const TfLiteNode *node, const Tensor &weights,
                          const Tensor &bias) {
#if defined(USE_TFLM_COMPRESSION)
    auto *micro = tflite::GetMicroContext(context);
    for (int i = 1; i < node->inputs->size; i++)
        if (micro->IsTensorCompressed(node, i)) return false;
#else
    (void)context;
    (void)node;
#endif
    return weights.is_int8() && weights.is_constant() && weights->params.zero_point == 0 &&
           (!bias.get() || (bias.is(kTfLiteInt32) && bias.is_constant()));
}

/* The assembly reads inputs by words. TFLM's planner lays tensors on 16-byte boundaries; a plan that came
 * with the model need not. */
inline TfLiteStatus check_words(const int8_t *input) {
    if (reinterpret_cast<uintptr_t>(input) % 4 == 0) return kTfLiteOk;
    MicroPrintf("edgeq's kernels want tensors on 4-byte boundaries.");
    return kTfLiteError;
}

inline const int8_t *input(TfLiteContext *context, TfLiteNode *node, int index = 0) {
    return tflite::micro::GetTensorData<int8_t>(tflite::micro::GetEvalInput(context, node, index));
}

inline const int32_t *bias(TfLiteContext *context, TfLiteNode *node) {
    if (node->inputs->size < 3) return nullptr;
    return tflite::micro::GetOptionalTensorData<int32_t>(tflite::micro::GetEvalInput(context, node, 2));
}

inline int8_t *output(TfLiteContext *context, TfLiteNode *node) {
    return tflite::micro::GetTensorData<int8_t>(tflite::micro::GetEvalOutput(context, node, 0));
}

/* What a node remembers. An Op has
 *   static TFLMRegistration theirs();
 *   Fit prepare(TfLiteContext *, TfLiteNode *);
 *   TfLiteStatus run(TfLiteContext *, TfLiteNode *) const; */
template <class Op> struct Node {
    Op op;
    bool ours;
    void *theirs;
};

/* TFLM's kernel finds its own data in the node. */
template <class Op>
TfLiteStatus as_theirs(TfLiteStatus (*what)(TfLiteContext *, TfLiteNode *), TfLiteContext *context,
                       TfLiteNode *node) {
    auto *mine = static_cast<Node<Op> *>(node->user_data);
    node->user_data = mine->theirs;
    TfLiteStatus status = what(context, node);
    node->user_data = mine;
    return status;
}

template <class Op> void *init(TfLiteContext *context, const char *, size_t) {
    void *memory = context->AllocatePersistentBuffer(context, sizeof(Node<Op>));
    return memory ? new (memory) Node<Op>{} : nullptr;
}

template <class Op> TfLiteStatus prepare(TfLiteContext *context, TfLiteNode *node) {
    auto *mine = static_cast<Node<Op> *>(node->user_data);
    if (!mine) return kTfLiteError;
    Fit said = mine->op.prepare(context, node);
    mine->ours = said == Fit::kOurs;
    if (said != Fit::kTheirs) return mine->ours ? kTfLiteOk : kTfLiteError;
    TFLMRegistration theirs = Op::theirs();
    const char *parameters = static_cast<const char *>(node->builtin_data);
    mine->theirs = theirs.init ? theirs.init(context, parameters, 0) : nullptr;
    return theirs.prepare ? as_theirs<Op>(theirs.prepare, context, node) : kTfLiteOk;
}

template <class Op> TfLiteStatus invoke(TfLiteContext *context, TfLiteNode *node) {
    auto *mine = static_cast<Node<Op> *>(node->user_data);
    if (mine->ours) return mine->op.run(context, node);
    return as_theirs<Op>(Op::theirs().invoke, context, node);
}

template <class Op> TFLMRegistration registration() {
    return tflite::micro::RegisterOp(init<Op>, prepare<Op>, invoke<Op>);
}

} /* namespace eq */

#endif
