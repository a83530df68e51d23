"""Small float ONNX networks, what onnxruntime's `quantize_static` makes of them, and what onnxruntime computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgeq import ops
from edgeq.convert import write_tflite
from edgeq.graph import Graph

CALIBRATION = 16
SAMPLES = 4


class FloatNet:
    """Collects nodes and seeded weights. The input is x, NCHW; the output is y."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.initialisers.append(numpy_helper.from_array(values, name))
        return name

    def weights(self, name: str, *shape: int) -> str:
        spread = 1 / np.sqrt(np.prod(shape[1:]))
        return self.constant(name, (self.rng.normal(size=shape) * spread).astype(np.float32))

    def node(self, op: str, inputs: Sequence[str], output: str, **attrs: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=f"the {output}", **attrs))
        return output

    def conv(self, x: str, output: str, *shape: int, relu: str = "Relu", bias: bool = True, **attrs: Any) -> str:
        operands = [x, self.weights(f"{output}.w", *shape)]
        if bias:
            operands.append(self.weights(f"{output}.b", shape[0], 1))
            self.initialisers[-1].dims[:] = [shape[0]]
        if not relu:
            return self.node("Conv", operands, output, **attrs)
        front = self.node("Conv", operands, f"{output}.c", **attrs)
        bounds = []
        if relu == "Clip":
            bounds = [self.constant(f"{output}.{n}", np.array(v, np.float32)) for n, v in (("low", 0), ("high", 6))]
        return self.node(relu, [front, *bounds], output)

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        bias = self.weights("dense.b", outputs, 1)
        self.initialisers[-1].dims[:] = [outputs]
        return self.node("Gemm", [x, self.weights("dense.w", outputs, inputs), bias], "y", transB=1)

    def model(self, opset: int = 17) -> onnx.ModelProto:
        value = helper.make_tensor_value_info
        ends = [value("x", TensorProto.FLOAT, self.shape)], [value("y", TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "net", *ends, self.initialisers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def residual() -> FloatNet:
    """A ResNet's parts: a strided stem, a padded pool, a sum with the shortcut, a mean, a classifier."""
    net = FloatNet(1, 3, 16, 16)
    net.conv("x", "stem", 8, 3, 3, 3, pads=[1] * 4, strides=[2, 2])
    pooled = net.node("MaxPool", ["stem"], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    net.conv(pooled, "a", 8, 8, 3, 3, pads=[1] * 4)
    net.conv("a", "b", 8, 8, 3, 3, pads=[1] * 4, relu="", bias=False)
    net.node("Add", ["b", pooled], "sum")
    net.node("Relu", ["sum"], "block")
    flat = net.node("Flatten", [net.node("GlobalAveragePool", ["block"], "mean")], "flat")
    net.dense(flat, 8, 5)
    return net


def mobile() -> FloatNet:
    """A MobileNet's parts, Clip(0, 6) for an activation; the classifier reads a flattened feature map."""
    net = FloatNet(1, 3, 12, 10, seed=1)
    net.conv("x", "stem", 6, 3, 3, 3, pads=[0, 0, 1, 1], strides=[2, 2], relu="Clip")
    net.conv("stem", "wide", 12, 6, 1, 1, relu="Clip")
    net.conv("wide", "deep", 12, 1, 3, 3, pads=[1] * 4, group=12, relu="Clip")
    net.conv("deep", "narrow", 6, 12, 1, 1, relu="")
    net.node("Add", ["narrow", "stem"], "block")
    net.node("AveragePool", ["block"], "pooled", kernel_shape=[2, 2], strides=[2, 2])
    shape = net.constant("shape", np.array([1, -1], np.int64))
    net.dense(net.node("Reshape", ["pooled", shape], "flat"), 36, 4)
    return net


def neck() -> FloatNet:
    """A YOLO's parts: gates, leaky activations, concatenation, a matrix product and probabilities."""
    net = FloatNet(1, 3, 8, 8, seed=2)
    net.conv("x", "a", 4, 3, 3, 3, pads=[1] * 4, relu="LeakyRelu")
    net.conv("x", "b", 4, 3, 1, 1, relu="Sigmoid")
    net.node("Mul", ["a", "b"], "gated")
    net.node("Concat", ["gated", "a"], "both", axis=1)
    net.conv("both", "c", 6, 8, 3, 3, strides=[2, 2])
    net.node("Flatten", [net.node("GlobalAveragePool", ["c"], "mean")], "flat")
    net.node("MatMul", ["flat", net.weights("dense.w", 6, 5)], "logits")
    net.node("Softmax", ["logits"], "y", axis=-1)
    return net


NETS: dict[str, Callable[[], FloatNet]] = {"residual": residual, "mobile": mobile, "neck": neck}


class _Samples:
    """onnxruntime's CalibrationDataReader."""

    def __init__(self, shape: tuple[int, ...], name: str) -> None:
        rng = np.random.default_rng(7)
        self._samples: Iterator[dict[str, NDArray[np.float32]]] = iter(
            [{name: rng.normal(size=shape).astype(np.float32)} for _ in range(CALIBRATION)]
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._samples, None)


def quantised(
    model: onnx.ModelProto,
    folder: Path,
    *,
    qoperator: bool = False,
    per_channel: bool = False,
    activations: str = "QInt8",
    weights: str = "QInt8",
    **options: Any,
) -> bytes:
    """The bytes that `onnxruntime.quantization.quantize_static` writes, weights symmetric."""
    from onnxruntime import quantization as q

    given = model.graph.input[0]
    shape = tuple(d.dim_value for d in given.type.tensor_type.shape.dim)
    output = folder / "quantised.onnx"
    own = onnx.ModelProto()  # it changes what it is given
    own.CopyFrom(model)
    q.quantize_static(
        own, output, _Samples(shape, given.name),
        quant_format=q.QuantFormat.QOperator if qoperator else q.QuantFormat.QDQ, per_channel=per_channel,
        activation_type=q.QuantType[activations], weight_type=q.QuantType[weights],
        extra_options={"WeightSymmetric": True, **options},
    )  # fmt: skip
    return output.read_bytes()


def every_value(data: bytes, real: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Every tensor that onnxruntime computes for one input, by name, its graph optimisations off."""
    import onnxruntime as ort

    model = onnx.load_from_string(data)
    names = [name for node in model.graph.node for name in node.output if name]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, {model.graph.input[0].name: real}), strict=True))


def integers(values: NDArray[Any]) -> NDArray[np.int64]:
    """onnxruntime's int8 or uint8 as our int8, channels last."""
    signed = values.astype(np.int64) - (128 if values.dtype == np.uint8 else 0)
    return signed.transpose(0, 2, 3, 1) if values.ndim == 4 else signed


def assert_layers_equal(data: bytes, graph: Graph, seed: int) -> int:
    """Each of our operators, on the integers that onnxruntime computed for its inputs, is within one of onnxruntime's.

    Gives the number of tensors that were compared.
    """
    (x,) = graph.inputs
    shape = tuple(d.dim_value for d in onnx.load_from_string(data).graph.input[0].type.tensor_type.shape.dim)
    real = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    theirs = every_value(data, real)
    assert graph.tensor(x).quant is not None
    values: dict[str, Any] = {x: integers(theirs[x]).astype(np.int8)}
    compared = 0
    for node in graph.nodes:
        for name, found in ops.evaluate(graph, node, values).items():
            values[name] = found
            if node.op == "RESHAPE" or name not in theirs:  # a flattened map is in another order
                continue
            expected = integers(theirs[name])
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() <= 1, f"{node.op} {name}"
            values[name], compared = expected.astype(np.int8), compared + 1
    (y,) = graph.outputs
    assert np.array_equal(ops.run(graph, {x: values[x]})[y].argmax(), integers(theirs[y]).argmax())
    return compared


def assert_equals_tflm(graph: Graph) -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="the TFLM wheel is Linux x86-64")
    interpreter = runtime.Interpreter.from_bytes(write_tflite(graph), arena_size=1 << 22)
    (x,), (y,) = graph.inputs, graph.outputs
    shape = graph.tensor(x).shape
    for q in np.random.default_rng(3).integers(-128, 128, (SAMPLES, *shape), dtype=np.int8):
        interpreter.set_input(q, 0)
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_output(0), ops.run(graph, {x: q})[y])
