#include "eq_tflm.h"

#include <cstring>
#include <new>

#include "eq_image.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/memory_helpers.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"
#include "tensorflow/lite/schema/schema_utils.h"

namespace {

constexpr uint32_t kMostOperators = 64; /* different ones in a model */

/* Hands out each operator with its invoke replaced by ours, so that the end of every step is seen: when it
 * ended, and what it wrote. TFLM's own profiler tells the time alone, and its interpreter gives intermediate
 * tensors only if it may keep them all in the arena. */
class WatchedResolver : public tflite::MicroOpResolver {
  public:
    const TFLMRegistration *FindOp(tflite::BuiltinOperator op) const override;
    const TFLMRegistration *FindOp(const char *) const override {
        return nullptr;
    } /* no custom operators */
    tflite::TfLiteBridgeBuiltinParseFunction GetOpDataParser(tflite::BuiltinOperator op) const override {
        return eq_tflm_resolver().GetOpDataParser(op);
    }
};

/* One operator as the runtime has it, and as we hand it out. */
struct Watched {
    const TFLMRegistration *original;
    TFLMRegistration handed_out;
};

struct State {
    const uint8_t *tflite; /* mapped while the model is open */
    const tflite::SubGraph *graph;
    tflite::MicroInterpreter *interpreter;
    Watched watched[kMostOperators];
    uint32_t watched_count;

    /* of the run at work */
    uint32_t op;          /* the next operator */
    uint32_t step, steps; /* the next one, and where to stop: each output of an operator is a step */
    bool stopped;
    eq_observer observer;
    void *ctx;
};

State state;
alignas(tflite::MicroInterpreter) uint8_t interpreter_memory[sizeof(tflite::MicroInterpreter)];
alignas(WatchedResolver) uint8_t resolver_memory[sizeof(WatchedResolver)];

/* Of either of the two fields that hold it, by the age of the file. */
int32_t code_of(uint32_t op) {
    const tflite::Model *model = tflite::GetModel(state.tflite);
    uint32_t opcode = state.graph->operators()->Get(op)->opcode_index();
    return static_cast<int32_t>(tflite::GetBuiltinCode(model->operator_codes()->Get(opcode)));
}

bool at_end() {
    return state.stopped || state.step >= state.steps;
}

/* Shows one output of the operator that has just run. */
TfLiteStatus show(TfLiteContext *context, TfLiteNode *node, int index) {
    TfLiteEvalTensor *output = tflite::micro::GetEvalOutput(context, node, index);
    size_t bytes = 0;
    if (!output || tflite::TfLiteEvalTensorByteLength(output, &bytes) != kTfLiteOk) return kTfLiteError;
    uint32_t step = state.step++;
    state.stopped = !state.observer(state.ctx, step, static_cast<const int8_t *>(output->data.data),
                                    static_cast<uint32_t>(bytes));
    return kTfLiteOk;
}

/* Operators run one after another, so their number tells which one this is. */
TfLiteStatus watched_invoke(TfLiteContext *context, TfLiteNode *node) {
    if (at_end()) return kTfLiteOk; /* the rest of a run that ends early */
    const TFLMRegistration *original = nullptr;
    int32_t code = code_of(state.op++);
    for (uint32_t i = 0; i < state.watched_count; i++)
        if (state.watched[i].original->builtin_code == code) original = state.watched[i].original;
    if (!original) return kTfLiteError;
    TfLiteStatus status = original->invoke(context, node);
    for (int i = 0; i < node->outputs->size && status == kTfLiteOk && !at_end(); i++)
        status = show(context, node, i);
    return status;
}

const TFLMRegistration *WatchedResolver::FindOp(tflite::BuiltinOperator op) const {
    const TFLMRegistration *original = eq_tflm_resolver().FindOp(op);
    if (!original) return nullptr;
    for (uint32_t i = 0; i < state.watched_count; i++)
        if (state.watched[i].original == original) return &state.watched[i].handed_out;
    if (state.watched_count == kMostOperators) return nullptr;
    Watched *watched = &state.watched[state.watched_count++];
    watched->original = original;
    watched->handed_out = *original;
    watched->handed_out.invoke = watched_invoke;
    return &watched->handed_out;
}

/* Outputs of all operators; more than EQ_MAX_STEPS where one has none. */
uint32_t count_steps(const tflite::SubGraph *graph) {
    uint32_t count = 0;
    for (const tflite::Operator *op : *graph->operators()) {
        if (!op->outputs() || !op->outputs()->size()) return EQ_MAX_STEPS + 1u;
        count += op->outputs()->size();
    }
    return count;
}

/* Whether the file is a sound flatbuffer of one plain graph. */
const char *unfit(const uint8_t *tflite, uint32_t bytes) {
    flatbuffers::Verifier verifier(tflite, bytes);
    if (!tflite::VerifyModelBuffer(verifier)) return "the .tflite is damaged";
    const tflite::Model *model = tflite::GetModel(tflite);
    if (model->version() != TFLITE_SCHEMA_VERSION) return "the .tflite has another schema version";
    if (!model->subgraphs() || model->subgraphs()->size() != 1) return "the .tflite has more than one graph";
    const tflite::SubGraph *graph = model->subgraphs()->Get(0);
    if (!graph->operators() || !graph->operators()->size() || count_steps(graph) > EQ_MAX_STEPS)
        return "the .tflite has too many or no operators, or one without an output";
    if (!graph->inputs() || graph->inputs()->size() != 1 || !graph->outputs() ||
        graph->outputs()->size() != 1)
        return "the .tflite has more than one input or output";
    return nullptr;
}

const char *missing_operator() {
    for (uint32_t i = 0; i < state.graph->operators()->size(); i++) {
        auto code = static_cast<tflite::BuiltinOperator>(code_of(i));
        if (!eq_tflm_resolver().FindOp(code)) return tflite::EnumNameBuiltinOperator(code);
    }
    return nullptr;
}

const tflite::Tensor *file_tensor(uint32_t index) {
    return state.graph->tensors()->Get(index);
}

uint32_t elements(const tflite::Tensor *tensor) {
    uint32_t total = 1;
    if (tensor->shape())
        for (int32_t dim : *tensor->shape()) total *= static_cast<uint32_t>(dim);
    return total;
}

eq_status tensor(const eq_engine *, uint32_t index, eq_tensor *out) {
    if (index >= state.graph->tensors()->size()) return EQ_OUT_OF_RANGE;
    const tflite::Tensor *t = file_tensor(index);
    *out = eq_tensor{};
    out->int32 = t->type() == tflite::TensorType_INT32;
    out->bytes = elements(t) * static_cast<uint32_t>(out->int32 ? sizeof(int32_t) : 1);
    out->scale = 1.0f;
    const tflite::QuantizationParameters *quant = t->quantization();
    if (quant && quant->scale() && quant->scale()->size()) out->scale = quant->scale()->Get(0);
    if (quant && quant->zero_point() && quant->zero_point()->size())
        out->zero_point = static_cast<int32_t>(quant->zero_point()->Get(0));
    uint32_t rank = t->shape() ? t->shape()->size() : 0;
    for (uint32_t i = 0; i < 4; i++) out->dims[i] = 1;
    for (uint32_t i = 0; i < rank && i < 4; i++) /* a lower rank has ones behind the batch */
        out->dims[i == 0 ? 0 : 4 - rank + i] = static_cast<uint16_t>(t->shape()->Get(i));
    return EQ_OK;
}

/* Multiply-accumulates of the operators that have weights: the output's elements times the weights of one of
 * its channels. */
uint32_t macs(const tflite::Operator *op, int32_t code) {
    if (code != tflite::BuiltinOperator_CONV_2D && code != tflite::BuiltinOperator_FULLY_CONNECTED &&
        code != tflite::BuiltinOperator_DEPTHWISE_CONV_2D)
        return 0;
    const tflite::Tensor *weights = file_tensor(static_cast<uint32_t>(op->inputs()->Get(1)));
    uint32_t output = elements(file_tensor(static_cast<uint32_t>(op->outputs()->Get(0))));
    bool depthwise = code == tflite::BuiltinOperator_DEPTHWISE_CONV_2D;
    uint32_t channels = static_cast<uint32_t>(weights->shape()->Get(depthwise ? 3 : 0));
    return channels ? output * (elements(weights) / channels) : 0;
}

eq_status step(const eq_engine *, uint32_t index, eq_step *out) {
    uint32_t number = 0;
    const tflite::Operator *op = state.graph->operators()->Get(0);
    for (; index >= op->outputs()->size(); op = state.graph->operators()->Get(++number))
        index -= op->outputs()->size();
    *out = eq_step{};
    out->op = static_cast<uint32_t>(code_of(number));
    out->output = static_cast<uint32_t>(op->outputs()->Get(index));
    out->macs = index ? 0 : macs(op, static_cast<int32_t>(out->op));
    const flatbuffers::String *name = file_tensor(out->output)->name();
    uint32_t bytes = name ? name->size() : 0;
    out->name_bytes = bytes < EQ_NAME_MAX ? bytes : static_cast<uint32_t>(EQ_NAME_MAX);
    out->name = name ? name->c_str() + (bytes - out->name_bytes) : "";
    return EQ_OK;
}

void close(eq_engine *e) {
    if (state.interpreter) state.interpreter->~MicroInterpreter();
    if (state.tflite) e->hal->unmap(e->hal->ctx, state.tflite);
    state = State{};
}

/* What the image says that the interpreter takes at most; 0 if it does not say. */
uint32_t stated_arena(const eq_engine *e, const eq_image *image) {
    const eq_section *needs = &image->sections[EQ_SECTION_TFLM];
    if (needs->bytes < 4) return 0;
    const uint8_t *p = e->hal->map(e->hal->ctx, needs->offset, 4);
    if (!p) return 0;
    uint32_t bytes = p[0] | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 |
                     static_cast<uint32_t>(p[3]) << 24;
    e->hal->unmap(e->hal->ctx, p);
    return bytes;
}

eq_status allocate(eq_engine *e, uint32_t stated) {
    auto *resolver = new (resolver_memory) WatchedResolver();
    state.interpreter = new (interpreter_memory) tflite::MicroInterpreter(
        tflite::GetModel(state.tflite), *resolver, reinterpret_cast<uint8_t *>(e->arena), e->arena_capacity);
    if (state.interpreter->AllocateTensors() != kTfLiteOk) {
        if (stated > e->arena_capacity)
            return eq_engine_fail(e, EQ_TOO_LARGE, "TFLM needs a larger arena", 0, stated);
        return eq_engine_fail(e, EQ_UNSUPPORTED, "TFLM refuses the model, see above", 0, stated);
    }
    const TfLiteTensor *input = state.interpreter->input(0), *output = state.interpreter->output(0);
    if (!input || !output || input->type != kTfLiteInt8 ||
        (output->type != kTfLiteInt8 && output->type != kTfLiteInt32))
        return eq_engine_fail(e, EQ_UNSUPPORTED, "TFLM runs models with int8 in, int8 or int32 out", 0, 0);
    return EQ_OK;
}

eq_status open(eq_engine *e, const eq_image *image) {
    const eq_section *file = &image->sections[EQ_SECTION_TFLITE];
    state = State{};
    state.tflite = e->hal->map(e->hal->ctx, file->offset, file->bytes);
    if (!state.tflite)
        return eq_engine_fail(e, EQ_MAP_FAILED, "TFLM needs the .tflite mapped at once, and it is too large",
                              0, file->bytes);
    if (const char *what = unfit(state.tflite, file->bytes))
        return eq_engine_fail(e, EQ_BAD_IMAGE, what, 0, 0);
    state.graph = tflite::GetModel(state.tflite)->subgraphs()->Get(0);
    if (const char *name = missing_operator()) return eq_engine_fail(e, EQ_UNSUPPORTED, name, 0, 0);
    eq_status status = allocate(e, stated_arena(e, image));
    if (status != EQ_OK) return status;
    e->steps = count_steps(state.graph);
    e->arena_bytes = static_cast<uint32_t>(state.interpreter->arena_used_bytes());
    e->scratch_bytes = 0;
    e->input = static_cast<uint32_t>(state.graph->inputs()->Get(0));
    e->output = static_cast<uint32_t>(state.graph->outputs()->Get(0));
    return EQ_OK;
}

eq_status run(eq_engine *e, uint32_t steps, eq_observer observer, void *ctx) {
    state.op = state.step = 0;
    state.steps = steps;
    state.stopped = false;
    state.observer = observer;
    state.ctx = ctx;
    if (state.interpreter->Invoke() != kTfLiteOk)
        return eq_engine_fail(e, EQ_UNSUPPORTED, "TFLM failed in a step, see above", state.step, 0);
    return EQ_OK;
}

int8_t *data(const eq_engine *e, uint32_t index) {
    TfLiteTensor *t = index == e->input ? state.interpreter->input(0) : state.interpreter->output(0);
    return t->data.int8;
}

const char *version() {
    return eq_tflm_build ? eq_tflm_build : "of unknown version";
}

} /* namespace */

const eq_engine_kind eq_tflm = {"tflm", version, open, close, run, data, tensor, step, false};
