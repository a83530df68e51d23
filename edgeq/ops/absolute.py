"""ABS, rescaled to the output's own range."""

from __future__ import annotations

import numpy as np

from edgeq.graph import Graph, Node
from edgeq.ops import lut
from edgeq.ops.numerics import Ints, multiply_by_quantized_multiplier, quantize_multiplier
from edgeq.ops.operator import Operator, same_as_input


def rule(graph: Graph, node: Node) -> Ints:
    """numerics.md#abs."""
    x, y = graph.input(node, 0), graph.output(node)
    factor = quantize_multiplier(float(np.float32(x.scale) / np.float32(y.scale)))
    return multiply_by_quantized_multiplier(np.abs(lut.distances(graph, node)), *factor) + y.zero_point


OPERATOR = Operator(
    name="ABS", code=101, options="AbsOptions", fields={}, version=2, output_shape=same_as_input,
    check=lut.check_one_input, reference=lut.reference_of(rule), cases=lambda: lut.rescaling_cases("ABS"),
    onnx=("Abs",), from_onnx=lut.from_onnx_as("ABS"), step=lut.step_of(rule), element_wise=True,
)  # fmt: skip
