"""QUANTIZE from int8 to int8: another scale and zero point for the same real values."""

from __future__ import annotations

from edgeq.graph import Graph, Node
from edgeq.ops import lut
from edgeq.ops.numerics import Ints, multiply_by_quantized_multiplier, quantize_multiplier
from edgeq.ops.operator import Lowering, Operator, same_as_input


def rule(graph: Graph, node: Node) -> Ints:
    """numerics.md#quantize."""
    x, y = graph.input(node, 0), graph.output(node)
    factor = quantize_multiplier(x.scale / y.scale)
    return multiply_by_quantized_multiplier(lut.distances(graph, node), *factor) + y.zero_point


def from_onnx(low: Lowering, node: Node) -> None:
    """A QuantizeLinear that goes from one scale to another."""
    low.emit("QUANTIZE", node.name, node.inputs, node.outputs)


OPERATOR = Operator(
    name="QUANTIZE", code=114, options="QuantizeOptions", fields={}, version=2, output_shape=same_as_input,
    check=lut.check_one_input, reference=lut.reference_of(rule), cases=lambda: lut.rescaling_cases("QUANTIZE"),
    onnx=("QuantizeLinear",), from_onnx=from_onnx, step=lut.step_of(rule), element_wise=True,
)  # fmt: skip
