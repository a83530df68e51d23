"""What operators share whose output depends on one int8 input: a table of 256 outputs (numerics.md#lut)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.numerics import INT8_MAX, INT8_MIN, Ints, to_int8
from edgeq.ops.operator import Array, Locate, Lowering, Step, require_int8

INPUTS: Ints = np.arange(INT8_MIN, INT8_MAX + 1, dtype=np.int64)
Rule = Callable[[Graph, Node], Ints]  # the outputs of INPUTS, before they saturate


def distances(graph: Graph, node: Node) -> Ints:
    """Every input less its zero point."""
    return INPUTS - graph.input(node, 0).zero_point


def check_one_input(graph: Graph, node: Node) -> None:
    """int8 in and out."""
    require_int8(graph, node, graph.input(node, 0), graph.output(node))


def table_of(rule: Rule, graph: Graph, node: Node) -> NDArray[np.int8]:
    """int8[256]: the outputs of -128 to 127."""
    return to_int8(rule(graph, node))


def reference_of(rule: Rule) -> Callable[[Graph, Node, Sequence[Array]], Array]:
    """The integer reference of an operator with that rule."""

    def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
        return table_of(rule, graph, node)[inputs[0].astype(np.int64) - INT8_MIN]

    reference.__doc__ = rule.__doc__
    return reference


def step_of(rule: Rule) -> Callable[[Graph, Node, Locate], Step]:
    """plan-format.md#lut_s8."""
    return lambda graph, node, locate: Step("lut_s8", table_of(rule, graph, node).tobytes())


def from_onnx_as(op: str) -> Callable[[Lowering, Node], None]:
    """An ONNX operator that is `op` as it stands."""

    def from_onnx(low: Lowering, node: Node) -> None:
        """As it stands."""
        low.emit(op, node.name, node.inputs, node.outputs)

    return from_onnx


def case(
    op: str,
    scales: tuple[float, float],
    zero_points: tuple[int, int],
    shape: tuple[int, ...] = (1, 256),
    **attrs: Any,
) -> Graph:
    """A graph of one such operator."""
    tensors = {
        name: Tensor(name, shape, "int8", QuantParams.per_tensor(scale, zero_point))
        for name, scale, zero_point in zip(("x", "y"), scales, zero_points, strict=True)
    }
    return Graph(op.lower(), tensors, (Node(op, op.lower(), ("x",), ("y",), attrs),), ("x",), ("y",))


def rescaling_cases(op: str, **attrs: Any) -> Iterable[Graph]:
    """Equal, finer and coarser outputs, zero points at the edges, sizes around the vector widths."""
    for size in (1, 3, 8, 17):
        yield case(op, (0.05, 0.05), (3, 3), (1, 2, size, 3), **attrs)
    yield case(op, (0.05, 0.02), (-20, -128), **attrs)
    yield case(op, (0.004, 0.3), (127, 12), **attrs)
    yield case(op, (0.7, 0.0009), (-128, 126), **attrs)
