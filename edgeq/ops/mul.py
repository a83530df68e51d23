"""MUL of two int8 tensors, each with its own scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops import broadcast
from edgeq.ops.numerics import activation_range, quantize_multiplier, requantise
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32


def _rescaling(graph: Graph, node: Node) -> tuple[int, int]:
    """(multiplier, shift) of a product (numerics.md#mul)."""
    return quantize_multiplier(graph.input(node, 0).scale * graph.input(node, 1).scale / graph.output(node).scale)


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#mul."""
    a, b = broadcast.operands(graph, node, inputs)
    y = graph.output(node)
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    return requantise(a * b, *_rescaling(graph, node), y.zero_point, clamp)


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#mul_s8."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    params = pack_i32(a.zero_point, b.zero_point, y.zero_point, *clamp, *_rescaling(graph, node))
    return Step("mul_s8", params, inputs=node.inputs)


def from_onnx(low: Lowering, node: Node) -> None:
    """Mul, and Div by a constant, with a fused activation."""
    second = _reciprocal(low, node) if node.op == "Div" else broadcast.lower_operand(low, node, 1)
    inputs = [broadcast.lower_operand(low, node, 0), second]
    low.emit("MUL", node.name, inputs, node.outputs, activation=node.attrs.get("activation", "NONE"))


def _reciprocal(low: Lowering, node: Node) -> str:
    divisor = low.graph.input(node, 1)
    if divisor.data is None:
        raise Unsupported("Div by what is no constant", where=f"node {node.name}")
    real = divisor.data if divisor.quant is None else divisor.quant.dequantise(divisor.data)
    if not np.all(real):
        raise BadInput("Div by zero", where=f"node {node.name}")
    return broadcast.lower_real(low, node, f"{node.outputs[0]}/factor", 1 / real.astype(np.float32))


def cases() -> Iterable[Graph]:
    """Broadcasting, factors from tiny to above one, zero points at the edges, fused activations."""
    yield from broadcast.broadcasting_cases("MUL", activation="NONE")
    shapes = ((1, 3, 33, 2), (1, 3, 33, 2))
    yield broadcast.case("MUL", shapes, (0.5, 0.0003, 0.004), (-128, 127, -128), activation="RELU")
    yield broadcast.case("MUL", shapes, (0.1, 0.2, 0.05), (5, -5, 0), activation="RELU6")
    yield broadcast.case("MUL", shapes, (0.1, 0.2, 0.0001), (5, -5, 0), activation="NONE")
    yield broadcast.case("MUL", shapes, (0.001, 0.002, 40.0), (5, -5, 3), activation="NONE")


OPERATOR = Operator(
    name="MUL", code=18, options="MulOptions", fields={"activation": "fusedActivationFunction"}, version=2,
    output_shape=broadcast.output_shape, check=broadcast.check_operands, reference=reference, cases=cases,
    onnx=("Mul", "Div"), from_onnx=from_onnx, step=step, element_wise=True,
)  # fmt: skip
