"""Arithmetic and activations from ONNX: each form against onnx's own evaluator, and those that have no twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qdq import Qdq
from test_convert_onnx import assert_means_the_same, refused

from edgeq.convert import convert_onnx
from edgeq.errors import BadInput, Unsupported

PICTURE = (1, 4, 5, 6)


def one(op: str, scale: float, zero_point: int, x_scale: float = 0.05, **attrs: Any) -> bytes:
    """A lone operator of one input."""
    q = Qdq(*PICTURE, scale=x_scale)
    q.node(op, [q.x], "y", **attrs)
    return q.bytes(q.qdq("y", scale, zero_point))


def clip(low: float | None, high: float | None, scale: float, zero_point: int) -> bytes:
    q = Qdq(*PICTURE, scale=0.07)
    bounds = [
        "" if bound is None else q.constant(name, np.array(bound, np.float32))
        for name, bound in (("low", low), ("high", high))
    ]
    q.node("Clip", [q.x, *bounds], "y")
    return q.bytes(q.qdq("y", scale, zero_point))


def real(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).uniform(-2, 2, shape).astype(np.float32)


def by_constant(op: str, values: NDArray[np.float32], scale: float, swapped: bool = False) -> bytes:
    q = Qdq(*PICTURE, scale=0.05)
    inputs = [q.x, q.constant("c", values)]
    q.node(op, inputs[::-1] if swapped else inputs, "y")
    return q.bytes(q.qdq("y", scale, 3 if op in ("Max", "Min") else -5))


def quantised_constant(op: str) -> bytes:
    q = Qdq(*PICTURE)
    values = q.constant("c.q", np.arange(-60, 60, 30, dtype=np.int8).reshape(4, 1, 1))
    q.node(op, [q.x, q.node("DequantizeLinear", [values, *q.params("c", 0.02, 5)], "c")], "y")
    return q.bytes(q.qdq("y", 0.06, 1))


def squeeze_and_excite() -> bytes:
    """x times HardSigmoid of its own mean, and x times its own Sigmoid."""
    q = Qdq(*PICTURE)
    q.node("GlobalAveragePool", [q.x], "m")
    q.node("HardSigmoid", [q.qdq("m", 0.03, 2)], "h", alpha=1 / 6, beta=0.5)
    q.node("Mul", [q.x, q.qdq("h", 1 / 256, -128)], "s")
    source = q.qdq("s", 0.05, 0)
    q.node("Sigmoid", [source], "g")
    q.node("Mul", [source, q.qdq("g", 1 / 256, -128)], "y")
    return q.bytes(q.qdq("y", 0.15, -90))  # coarse enough for what four roundings add up to


def batch_norm(relu: bool) -> bytes:
    q = Qdq(*PICTURE)
    values = {
        "gamma": [1.0, -0.5, 0.0, 2.0],
        "beta": [0.5, 0.0, 1.5, -1.0],
        "mean": [0.1, 0, 3, -1],
        "var": [1, 2, 3, 0.1],
    }
    names = [q.constant(name, np.array(v, np.float32)) for name, v in values.items()]
    y = q.node("BatchNormalization", [q.x, *names], "n")
    if relu:
        y = q.node("Relu", [y], "y")
    return q.bytes(q.qdq(y, 0.1, -128 if relu else 4))


def gemm(shape: tuple[int, ...], op: str, per_channel: bool = False) -> bytes:
    """Weights [in, out], for a Gemm without transB or a MatMul."""
    q = Qdq(*shape)
    values = q.constant("w.q", q.rng.integers(-127, 128, (shape[-1], 5), dtype=np.int8))
    scale = np.linspace(0.002, 0.006, 5) if per_channel else 0.004
    zero = np.zeros(5) if per_channel else 0
    weights = q.node(
        "DequantizeLinear", [values, *q.params("w", scale, zero)], "w", **({"axis": 1} if per_channel else {})
    )
    q.node(op, [q.x, weights] + ([q.float_bias("b", 5)] if op == "Gemm" else []), "y")
    return q.bytes(q.qdq("y", 0.03, 3))


def flattened_gemm() -> bytes:
    """Features C, H, W before weights [in, out]."""
    q = Qdq(1, 3, 2, 4)
    flat = q.node("Flatten", [q.x], "f")
    values = q.constant("w.q", q.rng.integers(-127, 128, (24, 5), dtype=np.int8))
    q.node("Gemm", [flat, q.node("DequantizeLinear", [values, *q.params("w", 0.004, 0)], "w")], "y")
    return q.bytes(q.qdq("y", 0.03, 3))


def products() -> bytes:
    """x [1, 6, 8] times a constant [1, 8, 6], and that times x."""
    q = Qdq(1, 6, 8)
    values = q.constant("c.q", q.rng.integers(-128, 128, (1, 8, 6), dtype=np.int8))
    constant = q.node("DequantizeLinear", [values, *q.params("c", 0.01, 7)], "c")
    q.node("MatMul", [q.x, constant], "a")
    q.node("MatMul", [q.qdq("a", 0.1, 2), q.x], "y")
    return q.bytes(q.qdq("y", 0.9, 2))


def softmax() -> bytes:
    q = Qdq(*PICTURE)
    q.node("Softmax", [q.x], "y", axis=1)
    return q.bytes(q.qdq("y", 1 / 256, -128))


def reduce_sum(axes: list[int], keepdims: int) -> bytes:
    q = Qdq(*PICTURE)
    q.node("ReduceSum", [q.x, q.constant("axes", np.array(axes, np.int64))], "y", keepdims=keepdims)
    return q.bytes(q.qdq("y", 0.6, 3))


MODELS: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "relu": (lambda: one("Relu", 0.04, -128), ["RELU"]),
    "abs": (lambda: one("Abs", 0.04, -128), ["ABS"]),
    "leaky_relu": (lambda: one("LeakyRelu", 0.06, -60, alpha=0.2), ["LEAKY_RELU"]),
    "leaky_relu_by_default": (lambda: one("LeakyRelu", 0.06, -60), ["LEAKY_RELU"]),
    "sigmoid": (lambda: one("Sigmoid", 1 / 256, -128), ["LOGISTIC"]),
    "sigmoid_of_another_scale": (lambda: one("Sigmoid", 0.005, -100), ["LOGISTIC", "QUANTIZE"]),
    "tanh": (lambda: one("Tanh", 1 / 128, 0), ["TANH"]),
    "hard_swish": (lambda: one("HardSwish", 0.05, -100), ["HARD_SWISH"]),
    "hard_sigmoid": (lambda: one("HardSigmoid", 1 / 255, -128, alpha=1 / 6, beta=0.5), ["ADD", "MUL"]),
    "clip_to_six": (lambda: clip(0, 6, 6 / 255, -128), ["RELU"]),
    "clip_to_six_at_one_scale": (lambda: clip(0, 6, 0.07, 3), ["RELU6"]),
    "clip_from_zero_at_one_scale": (lambda: clip(0, 3, 0.07, 3), ["RELU", "MINIMUM"]),
    "clip_to_both_sides": (lambda: clip(-1, 2, 0.03, 0), ["QUANTIZE", "MAXIMUM", "MINIMUM"]),
    "clip_from_below": (lambda: clip(-1, None, 0.07, 3), ["MAXIMUM"]),
    "clip_from_above": (lambda: clip(None, 2, 0.07, 3), ["MINIMUM"]),
    "clip_nothing": (lambda: clip(None, None, 0.07, 3), ["MINIMUM"]),
    "add_channels": (lambda: by_constant("Add", real(4, 1, 1), 0.06), ["ADD"]),
    "subtract_channels": (lambda: by_constant("Sub", real(1, 4, 1, 1), 0.06), ["SUB"]),
    "subtract_from_a_row": (lambda: by_constant("Sub", real(6), 0.06, swapped=True), ["SUB"]),
    "multiply_by_a_picture": (lambda: by_constant("Mul", real(1, 4, 5, 6), 0.09), ["MUL"]),
    "multiply_by_a_number": (lambda: by_constant("Mul", np.array(0.5, np.float32), 0.03), ["MUL"]),
    "divide_by_a_number": (lambda: by_constant("Div", np.array(6, np.float32), 0.01), ["MUL"]),
    "maximum_of_channels": (lambda: by_constant("Max", real(4, 1, 1), 0.05), ["MAXIMUM"]),
    "minimum_of_a_number": (lambda: by_constant("Min", np.array(0.5, np.float32), 0.05), ["MINIMUM"]),
    "prelu": (lambda: by_constant("PRelu", real(4, 1, 1), 0.06), ["PRELU"]),
    "multiply_by_integers": (lambda: quantised_constant("Mul"), ["MUL"]),
    "squeeze_and_excite": (squeeze_and_excite, ["MEAN", "ADD", "MUL", "MUL", "LOGISTIC", "MUL"]),
    "batch_norm": (lambda: batch_norm(False), ["DEPTHWISE_CONV_2D"]),
    "batch_norm_and_relu": (lambda: batch_norm(True), ["DEPTHWISE_CONV_2D"]),
    "gemm_without_trans_b": (lambda: gemm((1, 7), "Gemm", per_channel=True), ["FULLY_CONNECTED"]),
    "matmul": (lambda: gemm((1, 7), "MatMul"), ["FULLY_CONNECTED"]),
    "matmul_of_rows": (lambda: gemm((1, 3, 7), "MatMul", per_channel=True), ["FULLY_CONNECTED"]),
    "flattened_gemm": (flattened_gemm, ["RESHAPE", "FULLY_CONNECTED"]),
    "products": (products, ["BATCH_MATMUL", "BATCH_MATMUL"]),
    "softmax_of_channels": (softmax, ["SOFTMAX"]),
    "sum_of_channels": (lambda: reduce_sum([1], 1), ["SUM"]),
    "sum_of_channels_and_rows": (lambda: reduce_sum([1, -1], 0), ["SUM"]),
    "sum_of_rows": (lambda: reduce_sum([2], 0), ["SUM", "TRANSPOSE"]),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_integer_graph_means_what_the_onnx_model_means(name: str) -> None:
    make, operators = MODELS[name]
    graph = assert_means_the_same(make(), name)
    assert [node.op for node in graph.nodes] == operators


def test_a_constant_of_two_layouts_has_a_twin_for_each() -> None:
    q = Qdq(1, 4, 1, 1)
    q.constant("c", real(4))
    q.node("Add", [q.x, q.constant("d", real(4, 1, 1))], "a")
    q.node("Add", [q.node("Flatten", [q.qdq("a", 0.05, 1)], "f"), "c"], "b")
    graph = assert_means_the_same(q.bytes(q.qdq("b", 0.06, 1)), "m")
    assert [graph.input(node, 1).shape for node in graph.nodes] == [(1, 1, 1, 4), (2,), (4,)]


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (lambda: one("HardSigmoid", 1 / 255, -128), Unsupported, "alpha 0.2"),
        (lambda: one("LeakyRelu", 0.05, 0, alpha=-0.5), Unsupported, "slope"),
        (lambda: by_constant("Div", np.array(0, np.float32), 0.1), BadInput, "Div by zero"),
        (lambda: by_constant("Add", np.array(np.nan, np.float32), 0.1), BadInput, "no number"),
        (lambda: clip(2, -2, 0.07, 3), Unsupported, "Clip between 2 and -2"),
    ],
)
def test_forms_without_a_twin_are_refused(data: Callable[[], bytes], kind: Any, message: str) -> None:
    refused(data(), kind, message, "the y")


def test_a_maximum_of_three_is_refused() -> None:
    q = Qdq(*PICTURE)
    q.node("Max", [q.x, q.x, q.x], "y")
    refused(q.bytes(q.qdq("y", 0.05, 3)), Unsupported, "Max of 3")


def test_two_matrices_that_change_are_no_fully_connected_layer() -> None:
    q = Qdq(1, 5, 5)
    q.node("MatMul", [q.x, q.x], "y")
    (node,) = convert_onnx(q.bytes(q.qdq("y", 0.5, 3)), "m").nodes
    assert node.op == "BATCH_MATMUL"
