"""LEAKY_RELU: one factor for inputs from zero up, another for those below."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops import lut
from edgeq.ops.numerics import Ints, multiply_by_quantized_multiplier, quantize_multiplier
from edgeq.ops.operator import Lowering, Operator, same_as_input


def check(graph: Graph, node: Node) -> None:
    """int8, a slope that is not negative."""
    lut.check_one_input(graph, node)
    if not float(node.attrs["alpha"]) >= 0:
        raise Unsupported(f"LEAKY_RELU with a slope of {node.attrs['alpha']}", where=f"node {node.name}")


def rule(graph: Graph, node: Node) -> Ints:
    """numerics.md#leaky-relu."""
    x, y = np.float32(graph.input(node, 0).scale), np.float32(graph.output(node).scale)
    values = lut.distances(graph, node)
    identity = multiply_by_quantized_multiplier(values, *quantize_multiplier(float(x / y)))
    leak = multiply_by_quantized_multiplier(
        values, *quantize_multiplier(float(x * np.float32(node.attrs["alpha"]) / y))
    )
    return np.where(values >= 0, identity, leak) + graph.output(node).zero_point


def from_onnx(low: Lowering, node: Node) -> None:
    """With a slope that is not negative."""
    low.emit("LEAKY_RELU", node.name, node.inputs, node.outputs, alpha=float(node.attrs.get("alpha", 0.01)))


def cases() -> Iterable[Graph]:
    """Slopes of nothing, of a tenth, and above one."""
    yield from lut.rescaling_cases("LEAKY_RELU", alpha=float(np.float32(0.1)))
    yield lut.case("LEAKY_RELU", (0.05, 0.04), (5, -7), alpha=0.0)
    yield lut.case("LEAKY_RELU", (0.05, 0.04), (5, -7), alpha=1.5)


OPERATOR = Operator(
    name="LEAKY_RELU", code=98, options="LeakyReluOptions", fields={"alpha": "alpha"}, version=2,
    output_shape=same_as_input, check=check, reference=lut.reference_of(rule), cases=cases,
    onnx=("LeakyRelu",), from_onnx=from_onnx, step=lut.step_of(rule),
    element_wise=True,
)  # fmt: skip
