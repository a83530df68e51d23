"""ONNX's HardSigmoid, relu6(x + 3) / 6, as an ADD and a MUL of which the second changes no integer."""

from __future__ import annotations

import math

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Node, QuantParams
from edgeq.ops.numerics import INT8_MAX
from edgeq.ops.operator import Lowering


def lower_hard_sigmoid(low: Lowering, node: Node) -> None:
    """The sum is at six times the output's scale, so that a sixth of it has the very integers: it is rounded once."""
    alpha, beta = float(node.attrs.get("alpha", 0.2)), float(node.attrs.get("beta", 0.5))
    if not math.isclose(alpha, 1 / 6, rel_tol=1e-5) or beta != 0.5:
        raise Unsupported(
            f"HardSigmoid with alpha {alpha:g} and beta {beta:g}", where=f"node {node.name}", hint="1/6 and 0.5 are"
        )
    x, y = low.graph.input(node, 0), low.graph.output(node)

    def constant(name: str, value: float) -> str:
        quant = QuantParams.per_tensor(value / INT8_MAX, 0)
        return low.constant(f"{y.name}/{name}", np.full(1, INT8_MAX, np.int8), quant)

    total = low.activation(f"{y.name}/sum", y.shape, QuantParams.per_tensor(6 * y.scale, y.zero_point))
    low.emit("ADD", f"{node.name}/sum", [x.name, constant("three", 3.0)], [total], activation="RELU6")
    low.emit("MUL", node.name, [total, constant("sixth", 1 / 6)], node.outputs, activation="NONE")
