"""From small QDQ ONNX models to integer graphs: each pass, and each refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from qdq import Qdq

from edgeq import ops
from edgeq.convert import convert_onnx, read_tflite, write_tflite
from edgeq.errors import BadInput, EdgeqError, Unsupported
from edgeq.graph import Graph


def conv_relu() -> bytes:
    q = Qdq(1, 3, 6, 6)
    y = q.node("Conv", [q.x, q.weights("w", 4, 3, 3, 3), q.float_bias("b", 4)], "y", pads=[1, 1, 1, 1])
    q.node("Relu", [y], "r")
    return q.bytes(q.qdq("r", 0.04, -128))


def asymmetric_padding() -> bytes:
    q = Qdq(1, 2, 5, 7)
    q.node("Conv", [q.x, q.weights("w", 3, 2, 3, 3)], "y", pads=[0, 1, 2, 0])
    return q.bytes(q.qdq("y", 0.04, 7))


def strided_padding() -> bytes:
    """PyTorch's symmetric padding at stride 2, which is not SAME."""
    q = Qdq(1, 3, 8, 8)
    y = q.node("Conv", [q.x, q.weights("w", 4, 3, 3, 3)], "y", pads=[1, 1, 1, 1], strides=[2, 2])
    return q.bytes(q.qdq(y, 0.04, 7))


def depthwise() -> bytes:
    """Two filters for each of three channels, padded as PyTorch does at stride 2."""
    q = Qdq(1, 3, 7, 8)
    weights = [q.weights("w", 6, 1, 3, 3), q.float_bias("b", 6)]
    y = q.node("Conv", [q.x, *weights], "y", group=3, pads=[1, 1, 1, 1], strides=[2, 2])
    return q.bytes(q.qdq(y, 0.04, 7))


def grouped() -> bytes:
    q = Qdq(1, 6, 5, 5)
    weights = [q.weights("w", 4, 3, 3, 3), q.float_bias("b", 4)]
    y = q.node("Conv", [q.x, *weights], "y", group=2, pads=[1, 1, 1, 1])
    return q.bytes(q.qdq(y, 0.04, 7))


def max_pool() -> bytes:
    q = Qdq(1, 3, 8, 8)
    y = q.node("MaxPool", [q.x], "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return q.bytes(y)


def add_with_relu() -> bytes:
    q = Qdq(1, 4, 5, 5)
    q.node("Conv", [q.x, q.weights("w", 4, 4, 1, 1, per_channel=False), q.float_bias("b", 4)], "c")
    q.node("Add", [q.qdq("c", 0.03, -9), q.x], "a")
    q.node("Relu", ["a"], "r")
    return q.bytes(q.qdq("r", 0.05, -128))


def head(keepdims: int, op: str = "GlobalAveragePool") -> bytes:
    """Average over the map, flatten, and a fully connected layer with a quantised bias."""
    q = Qdq(1, 5, 4, 4)
    if op == "GlobalAveragePool":
        q.node(op, [q.x], "m")
    else:
        q.node(op, [q.x, q.constant("axes", np.array([-1, 2], np.int64))], "m", keepdims=keepdims)
    flat = q.qdq("m", 0.0217, -4)
    if keepdims:
        flat = q.node("Flatten", [flat], "f")
    weights = q.weights("w", 3, 5, per_channel=False)
    bias = q.constant("b.q", np.array([400, -3000, 7], np.int32))
    params = q.params("b", np.float32(0.0217) * np.float32(0.007), 0, np.int32)
    q.node("Gemm", [flat, weights, q.node("DequantizeLinear", [bias, *params], "b")], "y", transB=1)
    # A mean may be one off, since TFLite rounds it twice; a coarse output does not make more of it.
    return q.bytes(q.qdq("y", 0.04, 11))


def flattened_map() -> bytes:
    q = Qdq(1, 3, 2, 4)
    q.node("Conv", [q.x, q.weights("w", 3, 3, 1, 1)], "c")
    flat = q.node("Flatten", [q.qdq("c", 0.03, 2)], "f")
    q.node("Gemm", [flat, q.weights("g", 4, 24), q.float_bias("b", 4)], "y", transB=1)
    return q.bytes(q.qdq("y", 0.02, 0))


def average_pool() -> bytes:
    q = Qdq(1, 3, 7, 7)
    y = q.node("AveragePool", [q.x], "y", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 2, 0], count_include_pad=1)
    return q.bytes(q.qdq(y, 0.05, 3))


def unfolded_weights() -> bytes:
    """The exporter left the weights in float, with a QuantizeLinear of their own; the activation is Clip(0, 6)."""
    q = Qdq(1, 2, 4, 4)
    q.constant("w", q.rng.uniform(-1, 1, (3, 2, 3, 3)).astype(np.float32))
    q.node("Conv", [q.x, q.qdq("w", 1 / 127, 0)], "c", dilations=[1, 1])
    bounds = [q.constant("low", np.array(0, np.float32)), q.constant("high", np.array(6, np.float32))]
    q.node("Clip", ["c", *bounds], "r")
    return q.bytes(q.qdq("r", 6 / 255, -128))


def flattened_output() -> bytes:
    """Its order is ONNX's, so that a Transpose is left."""
    q = Qdq(1, 3, 2, 4)
    return q.bytes(q.node("Flatten", [q.x], "f"))


def weights_in_two_orders() -> bytes:
    q = Qdq(1, 3, 2, 4)
    w = q.weights("w", 24, 24)
    q.node("Gemm", [q.node("Flatten", [q.x], "f"), w], "y", transB=1)
    q.node("Gemm", [q.qdq("y", 0.4, 0), w], "z", transB=1)
    return q.bytes(q.qdq("z", 1.2, 0))


def channel_shuffle() -> bytes:
    """As ShuffleNet's: reshaped to groups, transposed, reshaped back."""
    q = Qdq(1, 6, 4, 5)
    groups = q.node("Reshape", [q.x, q.constant("groups", np.array([1, 2, 3, 4, 5], np.int64))], "g")
    turned = q.node("Transpose", [groups], "t", perm=[0, 2, 1, 3, 4])
    y = q.node("Reshape", [turned, q.constant("map", np.array([1, 6, 4, 5], np.int64))], "y")
    return q.bytes(y)


def head_of_a_detector() -> bytes:
    """Two maps as rows of boxes, behind each other: channels last already, so that no Transpose is left."""
    q = Qdq(1, 3, 4, 4)
    rows = []
    for name, size in (("a", 1), ("b", 2)):
        q.node("Conv", [q.x, q.weights(f"{name}.w", 6, 3, size, size)], name, strides=[size] * 2)
        last = q.node("Transpose", [q.qdq(name, 0.05, 3)], f"{name}.t", perm=[0, 2, 3, 1])
        shape = q.constant(f"{name}.s", np.array([1, -1, 3], np.int64))
        rows.append(q.node("Reshape", [last, shape], f"{name}.r"))
    return q.bytes(q.qdq(q.node("Concat", rows, "y", axis=1), 0.05, 3))


def attention_of_channels() -> bytes:
    """A mean that is added to what it is the mean of."""
    q = Qdq(1, 4, 3, 5)
    q.node("ReduceMean", [q.x, q.constant("axes", np.array([2, 3], np.int64))], "m", keepdims=1)
    return q.bytes(q.qdq(q.node("Add", [q.x, q.qdq("m", 0.03, 1)], "y"), 0.06, 0))


def softmax(axis: int) -> bytes:
    q = Qdq(1, 4, 3, 5)
    return q.bytes(q.qdq(q.node("Softmax", [q.x], "y", axis=axis), 1 / 256, -128))


def split_and_joined() -> bytes:
    """Channels split unevenly, sliced, in another order, of different scales."""
    q = Qdq(1, 5, 4, 4)
    sizes = q.constant("sizes", np.array([2, 3], np.int64))
    q.nodes.append(helper.make_node("Split", [q.x, sizes], ["s0", "s1"], name="the s0", axis=1))
    bounds = [q.constant(n, np.array(v, np.int64)) for n, v in (("at", [1]), ("to", [3]), ("along", [1]))]
    q.node("Slice", ["s1", *bounds], "cut")
    q.node("Conv", ["s0", q.weights("w", 2, 2, 1, 1)], "c")
    return q.bytes(q.qdq(q.node("Concat", ["cut", q.qdq("c", 0.02, 0), q.x], "y", axis=-3), 0.05, 3))


def backwards() -> bytes:
    q = Qdq(1, 2, 5, 6)
    tables = {"from": [-1, 1], "to": [-100, 6], "axes": [2, 3], "steps": [-2, 2]}
    return q.bytes(q.node("Slice", [q.x, *(q.constant(n, np.array(v, np.int64)) for n, v in tables.items())], "y"))


def blocks(mode: str) -> bytes:
    q = Qdq(1, 8, 2, 3)
    space = q.node("DepthToSpace", [q.x], "s", blocksize=2, mode=mode)
    return q.bytes(q.node("SpaceToDepth", [space], "y", blocksize=2))


def axes_of_one() -> bytes:
    """[N, C] to a map of one pixel, a convolution, and back."""
    q = Qdq(1, 7)
    pixel = q.node("Unsqueeze", [q.x, q.constant("axes", np.array([2, 3], np.int64))], "u")
    q.node("Conv", [pixel, q.weights("w", 4, 7, 1, 1)], "c")
    return q.bytes(q.node("Squeeze", [q.qdq("c", 0.05, 0), "axes"], "y"))


def padded(mode: str, **inputs: Any) -> bytes:
    q = Qdq(1, 3, 4, 5)
    pads = [2, 1, 0, 3] if mode == "reflect" else [0, 1, 0, 2, 0, 0, 3, 1]
    tables = [q.constant("pads", np.array(pads, np.int64))]
    tables += [q.constant(n, np.array(v, np.float32)) for n, v in inputs.items()]
    if mode == "reflect":
        tables += ["", q.constant("axes", np.array([2, -1]))]
    return q.bytes(q.qdq(q.node("Pad", [q.x, *tables], "y", mode=mode), 0.05, 3))


def resized(scales: tuple[float, float], **attrs: Any) -> bytes:
    q = Qdq(1, 3, 4, 6)
    table = q.constant("scales", np.array([1, 1, *scales], np.float32))
    y = q.node("Resize", [q.x, "", table], "y", **attrs)
    return q.bytes(q.qdq(y, 0.05, 3))


def resized_to(*size: int, **attrs: Any) -> bytes:
    q = Qdq(1, 3, 4, 6)
    y = q.node("Resize", [q.x, "", "", q.constant("size", np.array([1, 3, *size], np.int64))], "y", **attrs)
    return q.bytes(q.qdq(y, 0.05, 3))


def transposed(size: int, stride: int, pads: list[int], more: int = 0) -> bytes:
    q = Qdq(1, 3, 4, 5)
    weights = q.constant("w.q", q.rng.integers(-127, 128, (3, 2, size, size), dtype=np.int8))
    params = q.params("w", [0.004, 0.007], [0, 0])
    operands = [q.x, q.node("DequantizeLinear", [weights, *params], "w", axis=1), q.float_bias("b", 2)]
    attrs = {"strides": [stride] * 2, "pads": pads, "output_padding": [more] * 2}
    y = q.node("ConvTranspose", operands, "y", **attrs)
    return q.bytes(q.qdq(q.node("Relu", [y], "r"), 0.04, -128))


def counted_padding() -> bytes:
    """PyTorch's average of 3 x 3 with padding 1, which is SAME but counts."""
    q = Qdq(1, 3, 6, 6)
    y = q.node("AveragePool", [q.x], "y", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    return q.bytes(q.qdq(y, 0.05, 3))


def ceil_mode() -> bytes:
    """A last window of which one row and one column are there; behind it what means nothing."""
    q = Qdq(1, 3, 8, 8)
    y = q.node("MaxPool", [q.x], "y", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    y = q.node("Dropout", [q.node("Identity", [y], "same")], "kept")
    return q.bytes(q.qdq(y, 0.05, 3))


def scaled_gemm() -> bytes:
    """alpha and beta, weights [in, out] with a scale per column, the bias a row."""
    q = Qdq(1, 6)
    values = q.constant("w.q", q.rng.integers(-127, 128, (6, 4), dtype=np.int8))
    scales = q.params("w", q.rng.uniform(0.002, 0.01, 4), np.zeros(4))
    bias = q.constant("b", q.rng.uniform(-1, 1, (1, 4)).astype(np.float32))
    weights = q.node("DequantizeLinear", [values, *scales], "w", axis=1)
    q.node("Gemm", [q.x, weights, bias], "y", alpha=0.5, beta=-1.5)
    return q.bytes(q.qdq("y", 0.02, 4))


MODELS: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "conv_relu": (conv_relu, ["CONV_2D"]),
    "asymmetric_padding": (asymmetric_padding, ["PAD", "CONV_2D"]),
    "strided_padding": (strided_padding, ["PAD", "CONV_2D"]),
    "depthwise": (depthwise, ["PAD", "DEPTHWISE_CONV_2D"]),
    "grouped": (grouped, ["CONV_2D"]),
    "max_pool": (max_pool, ["PADV2", "MAX_POOL_2D"]),
    "add_with_relu": (add_with_relu, ["CONV_2D", "ADD"]),
    "head": (lambda: head(1), ["MEAN", "RESHAPE", "FULLY_CONNECTED"]),
    "head_reduce_mean": (lambda: head(1, "ReduceMean"), ["MEAN", "RESHAPE", "FULLY_CONNECTED"]),
    "head_without_keepdims": (lambda: head(0, "ReduceMean"), ["MEAN", "FULLY_CONNECTED"]),
    "flattened_map": (flattened_map, ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]),
    "average_pool": (average_pool, ["PAD", "AVERAGE_POOL_2D"]),
    "counted_padding": (counted_padding, ["PAD", "AVERAGE_POOL_2D"]),
    "ceil_mode": (ceil_mode, ["MAX_POOL_2D"]),
    "scaled_gemm": (scaled_gemm, ["FULLY_CONNECTED"]),
    "unfolded_weights": (unfolded_weights, ["CONV_2D"]),
    "flattened_output": (flattened_output, ["TRANSPOSE", "RESHAPE"]),
    "weights_in_two_orders": (weights_in_two_orders, ["RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED"]),
    "channel_shuffle": (channel_shuffle, ["RESHAPE", "TRANSPOSE", "RESHAPE"]),
    "head_of_a_detector": (head_of_a_detector, ["CONV_2D", "RESHAPE", "CONV_2D", "RESHAPE", "CONCATENATION"]),
    "attention_of_channels": (attention_of_channels, ["MEAN", "ADD"]),
    "softmax_of_channels": (lambda: softmax(1), ["SOFTMAX"]),
    "softmax_of_columns": (lambda: softmax(3), ["TRANSPOSE", "SOFTMAX", "TRANSPOSE"]),
    "split_and_joined": (split_and_joined, ["SPLIT_V", "SLICE", "CONV_2D", "QUANTIZE", "CONCATENATION"]),
    "backwards": (backwards, ["STRIDED_SLICE"]),
    "blocks": (lambda: blocks("DCR"), ["DEPTH_TO_SPACE", "SPACE_TO_DEPTH"]),
    "pixel_shuffle": (lambda: blocks("CRD"), ["RESHAPE", "TRANSPOSE", "RESHAPE", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"]),
    "padded": (lambda: padded("constant"), ["PAD"]),
    "padded_with_a_value": (lambda: padded("constant", value=[1.5]), ["PADV2"]),
    "padded_with_the_lowest": (lambda: padded("constant", value=-1e6), ["PADV2"]),
    "reflected": (lambda: padded("reflect"), ["MIRROR_PAD"]),
    "upsampled": (lambda: resized((2, 3)), ["RESIZE_NEAREST_NEIGHBOR"]),
    "upsampled_from_the_corner": (
        lambda: resized((2, 2), coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        ["RESIZE_NEAREST_NEIGHBOR"],
    ),
    "shrunk": (
        lambda: resized_to(2, 5, coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_ceil"),
        ["RESIZE_NEAREST_NEIGHBOR"],
    ),
    "nearest_of_aligned_corners": (
        lambda: resized_to(7, 9, coordinate_transformation_mode="align_corners", nearest_mode="round_prefer_ceil"),
        ["RESIZE_NEAREST_NEIGHBOR"],
    ),
    **{
        f"linear_{places}": (
            lambda places=places: resized_to(8, 9, mode="linear", coordinate_transformation_mode=places),
            ["RESIZE_BILINEAR"],
        )
        for places in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
    },
    "transposed_same": (lambda: transposed(4, 2, [1, 1, 1, 1]), ["TRANSPOSE_CONV"]),
    "transposed_valid": (lambda: transposed(2, 2, [0, 0, 0, 0]), ["TRANSPOSE_CONV"]),
    "transposed_sliced": (lambda: transposed(3, 2, [1, 1, 1, 1], 1), ["TRANSPOSE_CONV", "SLICE"]),
    "transposed_longer": (lambda: transposed(2, 2, [0, 0, 0, 0], 1), ["TRANSPOSE_CONV"]),
    "axes_of_one": (axes_of_one, ["RESHAPE", "CONV_2D", "RESHAPE"]),
}


def channels_last(x: NDArray[Any]) -> NDArray[Any]:
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


@pytest.mark.parametrize("name", MODELS)
def test_the_integer_graph_means_what_the_onnx_model_means(name: str) -> None:
    """Within 1 LSB of onnx's own evaluator in float, on values that the input's scale holds exactly."""
    make, operators = MODELS[name]
    graph = assert_means_the_same(make(), name)
    assert [node.op for node in graph.nodes] == operators
    assert graph.metadata["source_sha256"]


def assert_means_the_same(data: bytes, name: str) -> Graph:
    graph = convert_onnx(data, name)
    model = onnx.load_from_string(data)
    given, answer = graph.tensor(graph.inputs[0]), graph.tensor(graph.outputs[0])
    assert given.quant is not None and answer.quant is not None
    shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    evaluator, differences = ReferenceEvaluator(model), []
    for seed in range(8):
        q = np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)
        (real,) = evaluator.run(None, {"x": given.quant.dequantise(q)})
        expected = answer.quant.quantise(channels_last(np.asarray(real)), "int8").astype(int)
        feeds = {given.name: np.ascontiguousarray(channels_last(q))}
        found = ops.run(graph, feeds)[answer.name]
        assert found.shape == expected.shape
        differences.append(np.abs(found - expected))
    assert np.max(differences) <= 1 and np.mean(differences) < 0.25
    return graph


@pytest.mark.parametrize("name", MODELS)
def test_the_file_holds_the_same_graph(name: str) -> None:
    graph = convert_onnx(MODELS[name][0](), name)
    again = read_tflite(write_tflite(graph))
    assert [n.op for n in again.nodes] == [n.op for n in graph.nodes]
    q = np.random.default_rng(0).integers(-128, 128, graph.tensor(graph.inputs[0]).shape, dtype=np.int8)
    (x,), (y,) = graph.inputs, graph.outputs
    np.testing.assert_array_equal(ops.run(graph, {x: q})[y], ops.run(again, {x: q})[y])


def test_scales_and_integers_are_those_of_the_onnx_file_to_the_bit() -> None:
    data = conv_relu()
    graph = convert_onnx(data, "m")
    values = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load_from_string(data).graph.initializer}
    (node,) = graph.nodes
    weights = graph.input(node, 1)
    assert weights.quant is not None and weights.quant.axis == 0
    assert np.array_equal(np.array(weights.quant.scale, np.float32), values["w.scale"])
    assert np.array_equal(graph.constant(node, 1), values["w.q"].transpose(0, 2, 3, 1))
    assert np.float32(graph.input(node, 0).scale) == values["x.scale"]
    assert graph.output(node).zero_point == -128 and node.attrs["activation"] == "RELU"


def test_a_quantised_bias_keeps_its_integers() -> None:
    graph = convert_onnx(head(1), "m")
    assert graph.constant(graph.nodes[-1], 2).tolist() == [400, -3000, 7]


def test_a_float_bias_is_quantised_at_input_times_weights() -> None:
    graph = convert_onnx(conv_relu(), "m")
    bias = graph.input(graph.nodes[0], 2)
    weights = graph.input(graph.nodes[0], 1)
    assert bias.quant is not None and weights.quant is not None
    assert bias.quant.scale == tuple(float(np.float32(0.05) * np.float32(s)) for s in weights.quant.scale)
    original = onnx.numpy_helper.to_array(onnx.load_from_string(conv_relu()).graph.initializer[-3])
    assert bias.data is not None
    np.testing.assert_allclose(bias.quant.dequantise(bias.data), original, atol=max(bias.quant.scale) * 0.51)


def test_nodes_of_one_name_are_told_apart() -> None:
    q = Qdq(1, 2, 4, 4)
    for source, y in ((q.x, "a"), ("a.r.dq", "b")):
        q.node("Conv", [source, q.weights(f"{y}.w", 2, 2, 1, 1)], y)
        q.node("Relu", [y], f"{y}.r")
        q.qdq(f"{y}.r", 0.05, -128)
    model = q.model("b.r.dq")
    for node in model.graph.node:
        node.name = "same"
    graph = convert_onnx(model.SerializeToString(), "m")
    assert [n.attrs["activation"] for n in graph.nodes] == ["RELU", "RELU"]


# Refusals


def refused(data: bytes, kind: type[EdgeqError], *parts: str) -> None:
    with pytest.raises(kind) as caught:
        convert_onnx(data, "model.onnx")
    assert type(caught.value) is kind
    for part in parts:
        assert part in str(caught.value)


def test_a_float_island_is_refused() -> None:
    q = Qdq(1, 3, 4, 4)
    q.node("Conv", [q.x, q.weights("w", 3, 3, 1, 1)], "c")
    q.node("Conv", ["c", q.weights("v", 3, 3, 1, 1)], "y")
    refused(q.bytes(q.qdq("y", 0.1, 0)), Unsupported, "node the c", "float", "QuantizeLinear")
    q = Qdq(1, 3, 4, 4)
    q.node("Conv", [q.x, q.weights("w", 3, 3, 1, 1)], "y")
    refused(q.bytes("y"), Unsupported, "y", "float")
    q = Qdq(1, 3, 4, 4)
    q.node("Conv", ["x", q.weights("w", 3, 3, 1, 1)], "y")
    refused(q.bytes(q.qdq("y", 0.1, 0)), Unsupported, "input x is not quantised")


def test_float_weights_are_refused() -> None:
    q = Qdq(1, 3, 4, 4)
    weights = q.constant("w", np.ones((3, 3, 1, 1), np.float32))
    q.node("Conv", [q.x, weights], "y")
    refused(q.bytes(q.qdq("y", 0.1, 0)), Unsupported, "the y")


def test_an_unknown_operator_is_named() -> None:
    q = Qdq(1, 3, 4, 4)
    q.node("Erf", [q.x], "y")
    refused(q.bytes(q.qdq("y", 0.1, 0)), Unsupported, "Erf", "the y")
    q = Qdq(1, 3, 4, 4)
    q.nodes.append(helper.make_node("Mystery", [q.x], ["y"], name="who", domain="example.org"))
    refused(q.bytes(q.x), Unsupported, "example.org::Mystery", "who")
    q = Qdq(1, 3, 4, 4)
    q.node("Mystery", [q.x], "y")
    refused(q.bytes(q.x), BadInput, "Mystery")


def test_a_batch_that_is_not_fixed_is_refused() -> None:
    q = Qdq(1, 3, 4, 4)
    q.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4, 4])]
    y = q.node("MaxPool", [q.x], "y", kernel_shape=[2, 2])
    refused(q.bytes(y), Unsupported, "batch", "not fixed")
    q.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)]
    refused(q.bytes(y), BadInput, "shape")


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_an_impossible_scale_is_refused(scale: float) -> None:
    q = Qdq(1, 3, 4, 4, scale=scale)
    y = q.node("MaxPool", [q.x], "y", kernel_shape=[2, 2])
    refused(q.bytes(y), BadInput, "scale must be finite and above zero", "the x.q")


def two_quantisations() -> Qdq:
    q = Qdq(1, 3, 4, 4)
    params = q.params("other", 0.1, 0)
    q.node("QuantizeLinear", ["x", *params], "x.q2")
    q.node("Add", [q.x, q.node("DequantizeLinear", ["x.q2", *params], "x.dq2")], "y")
    return q


def test_two_quantisations_of_one_tensor_are_a_quantize() -> None:
    q = two_quantisations()
    graph = convert_onnx(q.bytes(q.qdq("y", 0.1, 0)), "m")
    assert [n.op for n in graph.nodes] == ["QUANTIZE", "ADD"]
    assert [graph.tensor(n).scale for n in graph.nodes[1].inputs] == pytest.approx([0.05, 0.1])


def test_one_integer_read_by_two_scales_is_refused() -> None:
    q = Qdq(1, 3, 4, 4)
    wrong = q.node("DequantizeLinear", ["x.q", *q.params("other", 0.1, 0)], "wrong")
    refused(q.bytes(q.node("MaxPool", [wrong], "y", kernel_shape=[2, 2])), BadInput, "another scale")


@pytest.mark.parametrize(
    ("op", "attrs", "operators"),
    [
        ("MaxPool", {"kernel_shape": [2, 2]}, ["MAX_POOL_2D", "QUANTIZE"]),
        ("AveragePool", {"kernel_shape": [2, 2]}, ["DEPTHWISE_CONV_2D"]),
        ("AveragePool", {"kernel_shape": [3, 3], "pads": [1] * 4}, ["AVERAGE_POOL_2D", "QUANTIZE"]),
    ],
)
def test_what_keeps_its_scale_is_rescaled_beside_it(op: str, attrs: dict[str, Any], operators: list[str]) -> None:
    q = Qdq(1, 3, 6, 6)
    data = q.bytes(q.qdq(q.node(op, [q.x], "y", **attrs), 0.08, -20))
    assert [n.op for n in convert_onnx(data, "m").nodes] == operators
    assert_means_the_same(data, op)


def test_one_quantisation_written_twice_is_one() -> None:
    q = Qdq(1, 3, 4, 4)
    params = q.params("same", 0.05, 3)
    q.node("QuantizeLinear", ["x", *params], "x.q2")
    other = q.node("DequantizeLinear", ["x.q2", *params], "x.dq2")
    q.node("Add", [q.x, other], "y")
    graph = convert_onnx(q.bytes(q.qdq("y", 0.1, 0)), "m")
    assert graph.nodes[0].inputs == (graph.inputs[0], graph.inputs[0])


@pytest.mark.parametrize("opset", [13, 18, 21, 23])
def test_the_opsets_that_are_read(opset: int) -> None:
    q = Qdq(1, 3, 6, 6)
    y = q.node("Conv", [q.x, q.weights("w", 4, 3, 3, 3), q.float_bias("b", 4)], "y")
    assert convert_onnx(q.bytes(q.qdq(y, 0.04, -128), opset), "m").nodes[0].op == "CONV_2D"


@pytest.mark.parametrize("opset", [12, 24])
def test_other_opsets_are_refused(opset: int) -> None:
    model = onnx.load_from_string(max_pool())
    model.opset_import[0].version = opset
    refused(model.SerializeToString(), Unsupported, f"opset {opset}", "export with opset 18")


def test_weights_beside_the_model_are_refused() -> None:
    model = onnx.load_from_string(conv_relu())
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    refused(model.SerializeToString(), Unsupported, "beside the model")
    q = Qdq(1, 3, 4, 4)
    value = onnx.numpy_helper.from_array(np.zeros(1, np.float32), "v")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="/etc/passwd")
    q.nodes.append(helper.make_node("Constant", [], ["c"], name="c", value=value))
    refused(q.model(q.x).SerializeToString(), Unsupported, "beside the model")


@pytest.mark.parametrize(
    ("op", "attrs", "message"),
    [
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, "ceil_mode"),
        ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 2]}, "dilation"),
        ("AveragePool", {"kernel_shape": [3, 3], "pads": [0, 1, 2, 0]}, "count_include_pad=0"),
        ("Reshape", {}, "batch"),
        ("Resize", {"mode": "cubic"}, "cubic"),
        ("Resize", {"nearest_mode": "ceil"}, "no such rule"),
        ("Resize", {"mode": "linear", "antialias": 1}, "no such rule"),
        ("Pad", {"mode": "edge"}, "edge"),
    ],
)
def test_forms_without_a_twin_are_refused(op: str, attrs: dict[str, object], message: str) -> None:
    q = Qdq(1, 4, 6, 6)
    more = {
        "Reshape": [q.constant("shape", np.array([6, 4, 1, 6], np.int64))],
        "Resize": ["", "", q.constant("sizes", np.array([1, 4, 5, 7], np.int64))],
        "Pad": [q.constant("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))],
    }
    q.node(op, [q.x, *more.get(op, [])], "y", **attrs)
    refused(q.bytes(q.qdq("y", 0.05, 3)), Unsupported, message, "the y")


@pytest.mark.parametrize(
    ("group", "weights", "attrs"),
    [(4, (6, 1, 3, 3), {}), (2, (3, 2, 1, 1), {}), (1, (4, 4, 1, 1), {"strides": [2000] * 2})],
)
def test_convolutions_without_a_twin_are_refused(
    group: int, weights: tuple[int, ...], attrs: dict[str, object]
) -> None:
    q = Qdq(1, 4, 6, 6)
    q.node("Conv", [q.x, q.weights("w", *weights)], "y", group=group, **attrs)
    refused(q.bytes(q.qdq("y", 0.1, 0)), Unsupported, "the y")


def test_asymmetric_weights_are_refused() -> None:
    q = Qdq(1, 2, 4, 4)
    values = q.constant("w.q", np.ones((2, 2, 1, 1), np.int8))
    q.node("Conv", [q.x, q.node("DequantizeLinear", [values, *q.params("w", 0.1, 5)], "w")], "y")
    refused(q.bytes(q.qdq("y", 0.1, 0)), Unsupported, "symmetric")


@pytest.mark.parametrize("bias", [np.nan, np.inf, 1e30])
def test_an_impossible_bias_is_refused(bias: float) -> None:
    q = Qdq(1, 2, 4, 4)
    values = q.constant("b", np.array([bias, 0], np.float32))
    q.node("Conv", [q.x, q.weights("w", 2, 2, 1, 1), values], "y")
    refused(q.bytes(q.qdq("y", 0.1, 0)), BadInput, "32 bits")


def test_quantisation_by_blocks_or_along_no_axis_is_refused() -> None:
    q = Qdq(1, 2, 4, 4)
    values = q.constant("w.q", np.ones((2, 2, 1, 1), np.int8))
    q.node("Conv", [q.x, q.node("DequantizeLinear", [values, *q.params("w", [0.1, 0.1], [0, 0])], "w", axis=7)], "y")
    refused(q.bytes(q.qdq("y", 0.1, 0)), BadInput, "axis 7")
    q = Qdq(1, 2)
    values = q.constant("w.q", np.ones((2, 2), np.int8))
    params = q.params("w", [[0.1, 0.1]], [[0, 0]])
    q.node("Gemm", [q.x, q.node("DequantizeLinear", [values, *params], "w", block_size=2, axis=0)], "y", transB=1)
    refused(q.bytes(q.qdq("y", 0.1, 0), opset=21), Unsupported, "blocks")


def test_what_is_no_onnx_model_is_refused() -> None:
    for data in (b"", b"\0", b"garbage" * 100, conv_relu()[:-200], b"\x08\x0a"):
        refused(data, BadInput, "model.onnx")


def test_damaged_bytes_end_in_an_edgeq_error_or_a_graph() -> None:
    original, rng, errors = flattened_map(), np.random.default_rng(0), 0
    for _ in range(400):
        data = bytearray(original[: rng.integers(1, len(original))] if rng.random() < 0.2 else original)
        for at in rng.integers(0, len(data), rng.integers(1, 5)):
            data[at] ^= 1 << int(rng.integers(0, 8))
        try:
            convert_onnx(bytes(data), "model.onnx")
        except EdgeqError:
            errors += 1
    assert errors > 100


def test_a_constant_of_an_unknown_type_is_refused() -> None:
    model = onnx.load_from_string(conv_relu())
    model.graph.initializer[0].data_type = 99
    refused(model.SerializeToString(), BadInput, "model.onnx")
    model.graph.initializer[0].data_type = TensorProto.FLOAT16
    refused(model.SerializeToString(), BadInput, "model.onnx")


def test_the_converted_graph_is_wholly_integer() -> None:
    graph: Graph = convert_onnx(flattened_map(), "m")
    assert {t.dtype for t in graph.tensors.values()} == {"int8", "int32"}
