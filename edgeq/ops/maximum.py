"""MAXIMUM and MINIMUM: both operands and the output share scale and zero point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops import broadcast
from edgeq.ops.numerics import to_int8
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, require_same_quantisation

_ONNX = {"Max": "MAXIMUM", "Min": "MINIMUM"}
_KERNELS = {"MAXIMUM": "maximum_s8", "MINIMUM": "minimum_s8"}


def check(graph: Graph, node: Node) -> None:
    """int8 throughout, operands that fit each other, one quantisation."""
    broadcast.check_operands(graph, node)
    require_same_quantisation(graph, node, graph.input(node, 0), graph.input(node, 1), graph.output(node))


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#maximum."""
    choose = np.maximum if node.op == "MAXIMUM" else np.minimum
    return to_int8(choose(*broadcast.operands(graph, node, inputs)) + graph.output(node).zero_point)


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#maximum_s8."""
    return Step(_KERNELS[node.op], b"", inputs=node.inputs)


def from_onnx(low: Lowering, node: Node) -> None:
    """Max and Min of two; a real constant is quantised as the output is."""
    if len(node.inputs) != 2:
        raise Unsupported(f"{node.op} of {len(node.inputs)} tensors", where=f"node {node.name}")
    inputs = [broadcast.lower_operand(low, node, i, low.graph.output(node).quant) for i in (0, 1)]
    low.emit(_ONNX[node.op], node.name, inputs, node.outputs)


def _cases(op: str) -> Iterable[Graph]:
    yield from broadcast.broadcasting_cases(op, (0.1, 0.1, 0.1), (-7, -7, -7))


MAXIMUM = Operator(
    name="MAXIMUM", code=55, options="MaximumMinimumOptions", fields={}, version=2, output_shape=broadcast.output_shape,
    check=check, reference=reference, cases=lambda: _cases("MAXIMUM"),
    onnx=("Max",), from_onnx=from_onnx, step=step, element_wise=True,
)  # fmt: skip
MINIMUM = Operator(
    name="MINIMUM", code=57, options="MaximumMinimumOptions", fields={}, version=2, output_shape=broadcast.output_shape,
    check=check, reference=reference, cases=lambda: _cases("MINIMUM"),
    onnx=("Min",), from_onnx=from_onnx, step=step, element_wise=True,
)  # fmt: skip
