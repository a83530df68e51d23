"""ADD of two int8 tensors of equal shape, each with its own scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.numerics import (
    activation_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantise,
)
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32, require_int8, same_as_input

LEFT_SHIFT = 20


def check(graph: Graph, node: Node) -> None:
    """int8 throughout, both operands activations of one shape."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    require_int8(graph, node, a, b, y)
    if a.shape != b.shape:
        raise Unsupported(f"ADD with broadcasting, {list(a.shape)} and {list(b.shape)}", where=f"node {node.name}")
    if a.is_constant or b.is_constant:
        raise Unsupported("ADD of a constant", where=f"node {node.name}")
    _rescaling(graph, node)


def _rescaling(graph: Graph, node: Node) -> list[tuple[int, int]]:
    """(multiplier, shift) of both inputs and the output (numerics.md#add)."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    twice_max = 2 * max(a.scale, b.scale)
    factors = (a.scale / twice_max, b.scale / twice_max, twice_max / ((1 << LEFT_SHIFT) * y.scale))
    pairs = [quantize_multiplier(f) for f in factors]
    if pairs[2][1] > 0:  # a factor of one and above
        raise Unsupported("ADD whose output scale is 2**19 times finer than its inputs'", where=f"node {node.name}")
    return pairs


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#add."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    scale_a, scale_b, scale_y = _rescaling(graph, node)
    left = (inputs[0].astype(np.int64) - a.zero_point) << LEFT_SHIFT
    right = (inputs[1].astype(np.int64) - b.zero_point) << LEFT_SHIFT
    total = multiply_by_quantized_multiplier(left, *scale_a) + multiply_by_quantized_multiplier(right, *scale_b)
    return requantise(total, *scale_y, y.zero_point, activation_range(node.attrs["activation"], y.scale, y.zero_point))


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#add_s8."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    rescaling = [v for pair in _rescaling(graph, node) for v in pair]
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    return Step("add_s8", pack_i32(a.zero_point, b.zero_point, y.zero_point, *clamp, LEFT_SHIFT, *rescaling))


def from_onnx(low: Lowering, node: Node) -> None:
    """Add, with a fused activation."""
    low.emit("ADD", node.name, node.inputs, node.outputs, activation=node.attrs.get("activation", "NONE"))


def _case(
    size: int, scales: tuple[float, float, float], zero_points: tuple[int, int, int], activation: str = "NONE"
) -> Graph:
    names = ("a", "b", "y")
    tensors = {
        n: Tensor(n, (1, 3, size, 2), "int8", QuantParams.per_tensor(s, z))
        for n, s, z in zip(names, scales, zero_points, strict=True)
    }
    node = Node("ADD", "add", ("a", "b"), ("y",), {"activation": activation})
    return Graph("add", tensors, (node,), ("a", "b"), ("y",))


def cases() -> Iterable[Graph]:
    """Equal and very different scales, zero points at the edges, fused activations."""
    for size in (1, 3, 8, 17):
        yield _case(size, (0.05, 0.05, 0.1), (0, 3, -7))
    yield _case(33, (0.5, 0.0003, 0.4), (-128, 127, -128), "RELU")
    yield _case(15, (0.01, 0.02, 0.0001), (5, -5, 0), "RELU6")


OPERATOR = Operator(
    name="ADD", code=0, options="AddOptions", fields={"activation": "fusedActivationFunction"}, version=2,
    output_shape=same_as_input, check=check, reference=reference, cases=cases,
    onnx=("Add",), from_onnx=from_onnx, step=step,
)  # fmt: skip
