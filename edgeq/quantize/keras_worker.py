"""What runs inside TensorFlow: a Keras model or SavedModel becomes an int8 `.tflite`. Knows nothing of edgeq.

    python keras_worker.py MODEL FOLDER per-channel|per-tensor

It is a program of its own, so that TensorFlow may live in another environment than edgeq. Its first line on stdout is
JSON: `{"shape": [1, H, W, C], "classes": n, "parameters": n}`. Then it reads a line from stdin, takes `inputs.npz`
(`calibration` and `held_out`, float32 NHWC) from FOLDER and leaves `model.tflite` and `scores.npy` there. Whatever
goes wrong is one line of JSON: `{"error": ..., "kind": "missing" | "refused" | "input"}`.

Models are not trusted. A Keras file is taken only if all its classes are layers and settings of the lists below, none
of which holds code; a SavedModel only if all its operations are, and what would write files is taken out first.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MOST_CONFIG_BYTES = 1 << 26

LAYERS = frozenset(
    """
    Activation Add Average AveragePooling2D BatchNormalization Concatenate Conv2D Conv2DTranspose Cropping2D Dense
    DepthwiseConv2D Dropout Flatten Functional GlobalAveragePooling2D GlobalMaxPooling2D InputLayer LeakyReLU
    Maximum MaxPooling2D Minimum Model Multiply Permute PReLU ReLU Rescaling Reshape SeparableConv2D Sequential
    Softmax SpatialDropout2D Subtract UpSampling2D ZeroPadding2D
    """.split()  # noqa: SIM905  # more readable than 60 lines
)
SETTINGS = frozenset(
    """
    __keras_tensor__ __tuple__ Constant DTypePolicy GlorotNormal GlorotUniform HeNormal HeUniform L1 L1L2 L2
    LecunNormal LecunUniform MaxNorm NonNeg Ones Orthogonal Policy RandomNormal RandomUniform TruncatedNormal
    UnitNorm VarianceScaling Zeros
    """.split()  # noqa: SIM905  # more readable than 60 lines
)
ACTIVATIONS = frozenset(
    """
    elu gelu hard_sigmoid hard_swish leaky_relu linear relu relu6 sigmoid silu softmax swish tanh
    """.split()  # noqa: SIM905  # more readable than 60 lines
)
OPERATIONS = frozenset(
    """
    Add AddN AddV2 AssignVariableOp AvgPool BatchMatMulV2 BiasAdd Cast ConcatV2 Const Conv2D Conv2DBackpropInput
    DepthToSpace DepthwiseConv2dNative DisableCopyOnRead ExpandDims Fill FusedBatchNormV3 Identity IdentityN
    LeakyRelu MatMul Max Maximum MaxPool Mean Minimum MirrorPad Mul Neg NoOp Pack Pad PadV2 PartitionedCall
    Placeholder Prod ReadVariableOp RealDiv Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor RestoreV2
    Rsqrt Select SelectV2 Shape ShardedFilename Sigmoid Slice Softmax SpaceToDepth Split SplitV Sqrt Square
    Squeeze StatefulPartitionedCall StaticRegexFullMatch StopGradient StridedSlice StringJoin Sub Sum Tanh
    Transpose Unpack VarHandleOp VarIsInitializedOp
    """.split()  # noqa: SIM905  # more readable than 60 lines
)
# They write checkpoints and give no result: the saver's, not the network's.
WRITERS = frozenset({"SaveV2", "MergeV2Checkpoints"})


class Refused(Exception):
    """The model holds what this program does not load."""


def main() -> int:
    model, folder, weights = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    tell = _own_stdout()
    # This file's neighbours are modules of edgeq, not what TensorFlow means by such names.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}
    try:
        import numpy as np
        import tensorflow as tf
    except ImportError as error:
        tell({"error": str(error), "kind": "missing"})
        return 1
    try:
        network, facts = (_saved_model if model.is_dir() else _keras)(tf, model, folder)
        tell(facts)
        if not sys.stdin.readline():
            return 1
        with np.load(folder / "inputs.npz", allow_pickle=False) as arrays:
            calibration, held_out = arrays["calibration"], arrays["held_out"]
        frozen = _frozen(tf, network, facts["shape"])
        scores = [np.asarray(frozen(tf.constant(held_out[i : i + 1]))[0])[0] for i in range(len(held_out))]
        np.save(folder / "scores.npy", np.stack(scores).astype(np.float32), allow_pickle=False)
        converted = _converted(tf, frozen, calibration, per_channel=weights == "per-channel")
        (folder / "model.tflite").write_bytes(converted)
        tell({"done": True})
    except Refused as error:
        tell({"error": str(error), "kind": "refused"})
        return 1
    except Exception as error:  # TensorFlow raises whatever it likes about a file it cannot read
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        tell({"error": (lines[-1] if lines[0] == "in user code:" else lines[0])[:400], "kind": "input"})
        return 1
    return 0


def _own_stdout() -> Callable[[dict[str, Any]], None]:
    """Lines for edgeq alone: whatever TensorFlow prints goes to stderr."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(fact: dict[str, Any]) -> None:
        own.write(json.dumps(fact) + "\n")
        own.flush()

    return tell


def _frozen(tf: Any, network: Any, shape: list[int]) -> Any:
    """The network as a graph of batch 1 whose weights are constants."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(
        tf.function(network).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    )


def _converted(tf: Any, frozen: Any, calibration: Any, *, per_channel: bool) -> bytes:
    """TensorFlow's full-integer quantisation, int8 at both ends."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([calibration[i : i + 1]] for i in range(len(calibration)))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    # Older runtimes read more than one scale of a FULLY_CONNECTED silently wrong.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    converter._experimental_disable_per_channel = not per_channel
    return bytes(converter.convert())


def _facts(shape: list[Any], classes: list[Any], parameters: int) -> dict[str, Any]:
    if len(shape) != 4 or None in shape[1:]:
        raise Refused(f"an input of {shape}; images are [1, H, W, C], all but the batch fixed")
    if len(classes) != 2 or classes[1] is None:
        raise Refused(f"an output of {classes}; one score a class is [1, classes]")
    return {"shape": [1, *shape[1:]], "classes": classes[1], "parameters": parameters}


def _keras(tf: Any, path: Path, _: Path) -> tuple[Any, dict[str, Any]]:
    import keras

    check_config(_config_of(path))
    model = keras.models.load_model(path, compile=False, safe_mode=True)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise Refused(f"{len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is possible")

    def network(images: Any) -> Any:
        return model(images, training=False)

    facts = _facts(list(model.inputs[0].shape), list(model.outputs[0].shape), int(model.count_params()))
    return network, facts


def _config_of(path: Path) -> Any:
    """The description of the layers, as JSON."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
            text = file.read(MOST_CONFIG_BYTES + 1)
    else:
        import h5py

        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
        if text is None:
            raise Refused("the file holds weights alone, no network; save the whole model")
    if len(text) > MOST_CONFIG_BYTES:
        raise Refused("a description of the layers that is longer than 64 MiB")
    config = json.loads(text)
    # How it was trained is not loaded.
    return {key: value for key, value in config.items() if key != "compile_config"}


def check_config(config: Any) -> None:
    """Refuses all classes but the known ones: a Lambda holds Python code, others load files or download."""
    for found in _tables(config):
        if "class_name" not in found:
            continue
        name, module = found["class_name"], found.get("module")
        if name == "function":
            name = found.get("config")
            if name not in ACTIVATIONS:
                raise Refused(f"the function {name!r}, which is not one of {', '.join(sorted(ACTIVATIONS))}")
        elif name not in LAYERS and name not in SETTINGS:
            raise Refused(f"the class {name!r} is not loaded: only known layers are, which hold no code")
        if module is not None and str(module).split(".")[0] not in ("keras", "builtins"):
            raise Refused(f"{name!r} of the module {module!r} is not Keras's own")
        if found.get("registered_name") not in (None, name, "function") and not str(
            found["registered_name"]
        ).startswith("keras"):
            raise Refused(f"the class {found['registered_name']!r} is not Keras's own")


def _tables(config: Any) -> Iterator[dict[str, Any]]:
    left = [config]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield item
            left += item.values()
        elif isinstance(item, list):
            left += item


def _saved_model(tf: Any, path: Path, folder: Path) -> tuple[Any, dict[str, Any]]:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    for meta in saved.meta_graphs:
        for nodes in (meta.graph_def.node, *(function.node_def for function in meta.graph_def.library.function)):
            check_operations(nodes)
    checked = folder / "saved_model"
    shutil.copytree(path / "variables", checked / "variables", symlinks=True)
    (checked / "saved_model.pb").write_bytes(saved.SerializeToString())
    loaded = tf.saved_model.load(str(checked))
    signature = loaded.signatures.get("serving_default")
    if signature is None:
        raise Refused("no signature serving_default")
    (name, spec), *others = signature.structured_input_signature[1].items()
    if others or len(signature.structured_outputs) != 1:
        raise Refused("more than one input or output; one of each is possible")
    ((output, scores),) = signature.structured_outputs.items()

    def network(images: Any) -> Any:
        return loaded.signatures["serving_default"](**{name: images})[output]  # which keeps its variables alive

    parameters = sum(int(variable.shape.num_elements()) for variable in signature.variables)
    return network, _facts(spec.shape.as_list(), scores.shape.as_list(), parameters)


def check_operations(nodes: Any) -> None:
    """Refuses all operations but the known ones, and makes nothing of those that write checkpoints."""
    for node in nodes:
        if node.op in WRITERS:
            del node.input[:]
            node.attr.clear()
            node.op = "NoOp"
        elif node.op not in OPERATIONS:
            raise Refused(f"the operation {node.op} in {node.name} is not loaded")


if __name__ == "__main__":
    sys.exit(main())
