"""RELU, which may rescale, and RELU6, which may not, where no operator in front has taken them in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeq.graph import Graph, Node
from edgeq.ops import lut
from edgeq.ops.numerics import Ints, activation_range, multiply_by_quantized_multiplier, quantize_multiplier
from edgeq.ops.operator import Operator, require_same_quantisation, same_as_input


def _relu(graph: Graph, node: Node) -> Ints:
    """numerics.md#relu."""
    x, y = graph.input(node, 0), graph.output(node)
    factor = quantize_multiplier(float(np.float32(x.scale) / np.float32(y.scale)))
    scaled = multiply_by_quantized_multiplier(lut.distances(graph, node), *factor) + y.zero_point
    return np.clip(scaled, *activation_range("RELU", y.scale, y.zero_point))


def _relu6(graph: Graph, node: Node) -> Ints:
    """numerics.md#relu."""
    x = graph.input(node, 0)
    return np.clip(lut.INPUTS, *activation_range("RELU6", x.scale, x.zero_point))


def check_relu6(graph: Graph, node: Node) -> None:
    """int8, equal quantisation on both sides."""
    lut.check_one_input(graph, node)
    require_same_quantisation(graph, node, graph.input(node, 0), graph.output(node))


def _relu6_cases() -> Iterable[Graph]:
    """With and without six among the integers."""
    for scale, zero_point in ((0.05, 3), (6 / 255, -128), (0.001, 0), (0.4, 126), (2.0, -5)):
        yield lut.case("RELU6", (scale, scale), (zero_point, zero_point))


RELU = Operator(
    name="RELU", code=19, options=None, fields={}, version=2, output_shape=same_as_input,
    check=lut.check_one_input, reference=lut.reference_of(_relu), cases=lambda: lut.rescaling_cases("RELU"),
    step=lut.step_of(_relu), element_wise=True,
)  # fmt: skip
RELU6 = Operator(
    name="RELU6", code=21, options=None, fields={}, version=2, output_shape=same_as_input,
    check=check_relu6, reference=lut.reference_of(_relu6), cases=_relu6_cases, step=lut.step_of(_relu6),
    element_wise=True,
)  # fmt: skip
