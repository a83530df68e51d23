"""PRELU: inputs below zero are multiplied by slopes, a constant that is broadcast over the input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops import broadcast
from edgeq.ops.numerics import Ints, multiply_by_quantized_multiplier, quantize_multiplier, to_int8
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32


def check(graph: Graph, node: Node) -> None:
    """int8 throughout; the slopes are a constant that is no larger than the input."""
    broadcast.check_operands(graph, node)
    if not graph.input(node, 1).is_constant or broadcast.output_shape(graph, node) != graph.input(node, 0).shape:
        raise Unsupported("PRELU whose slopes are no constant that fits its input", where=f"node {node.name}")


def _rescaling(graph: Graph, node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """(multiplier, shift) of an input, and of an input times its slope (numerics.md#prelu)."""
    x, slopes, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    return quantize_multiplier(x.scale / y.scale), quantize_multiplier(x.scale * slopes.scale / y.scale)


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#prelu."""
    x, slopes = broadcast.operands(graph, node, inputs)
    identity, sloped = _rescaling(graph, node)
    below: Ints = multiply_by_quantized_multiplier(x * slopes, *sloped)
    return to_int8(
        np.where(x >= 0, multiply_by_quantized_multiplier(x, *identity), below) + graph.output(node).zero_point
    )


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#prelu_s8."""
    x, slopes, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    identity, sloped = _rescaling(graph, node)
    return Step("prelu_s8", pack_i32(x.zero_point, slopes.zero_point, y.zero_point, *identity, *sloped), node.inputs)


def from_onnx(low: Lowering, node: Node) -> None:
    """Slopes that fit the input, real or quantised."""
    inputs = [broadcast.lower_operand(low, node, i) for i in (0, 1)]
    low.emit("PRELU", node.name, inputs, node.outputs)


def cases() -> Iterable[Graph]:
    """A slope per channel, one for all, one per element; slopes above one and below zero."""
    for size in (1, 3, 8, 17):
        yield broadcast.case("PRELU", ((1, 3, 4, size), (1, 1, size)), (0.05, 0.004, 0.06), (3, 0, -9), constant=1)
    for shape in ((1,), (1, 1, 1), (3, 4, 5), (1, 3, 4, 5), (4, 1)):
        yield broadcast.case("PRELU", ((1, 3, 4, 5), shape), (0.05, 0.03, 0.02), (-100, 12, 100), constant=1)
    yield broadcast.case("PRELU", ((1, 9), (9,)), (0.5, 0.01, 0.001), (127, -128, 0), constant=1)


OPERATOR = Operator(
    name="PRELU", code=54, options=None, fields={}, version=1, output_shape=broadcast.output_shape,
    check=check, reference=reference, cases=cases,
    onnx=("PRelu",), from_onnx=from_onnx, step=step, element_wise=True,
)  # fmt: skip
