"""ADD and SUB of two int8 tensors, each with its own scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops import broadcast
from edgeq.ops.hard_sigmoid import lower_hard_sigmoid
from edgeq.ops.numerics import (
    activation_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantise,
)
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32

LEFT_SHIFT = 20


def check(graph: Graph, node: Node) -> None:
    """int8 throughout, operands that fit each other, factors that TFLite takes."""
    broadcast.check_operands(graph, node)
    rescaling(graph, node)


def rescaling(graph: Graph, node: Node) -> list[tuple[int, int]]:
    """(multiplier, shift) of both inputs and the output (numerics.md#add)."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    twice_max = 2 * max(a.scale, b.scale)
    factors = (a.scale / twice_max, b.scale / twice_max, twice_max / ((1 << LEFT_SHIFT) * y.scale))
    pairs = [quantize_multiplier(f) for f in factors]
    if pairs[2][1] > 0:  # a factor of one and above
        raise Unsupported(
            f"{node.op} whose output scale is 2**19 times finer than its inputs'", where=f"node {node.name}"
        )
    return pairs


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#add."""
    y = graph.output(node)
    scale_a, scale_b, scale_y = rescaling(graph, node)
    a, b = broadcast.operands(graph, node, inputs)
    left = multiply_by_quantized_multiplier(a << LEFT_SHIFT, *scale_a)
    right = multiply_by_quantized_multiplier(b << LEFT_SHIFT, *scale_b)
    total = left + right if node.op == "ADD" else left - right
    return requantise(total, *scale_y, y.zero_point, activation_range(node.attrs["activation"], y.scale, y.zero_point))


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#add_s8."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    factors = [v for pair in rescaling(graph, node) for v in pair]
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    params = pack_i32(a.zero_point, b.zero_point, y.zero_point, *clamp, LEFT_SHIFT, *factors)
    return Step(_KERNELS[node.op], params, inputs=node.inputs)


def from_onnx(low: Lowering, node: Node) -> None:
    """Add and Sub, with a fused activation; HardSigmoid."""
    if node.op == "HardSigmoid":
        lower_hard_sigmoid(low, node)
        return
    inputs = [broadcast.lower_operand(low, node, i) for i in (0, 1)]
    low.emit(node.op.upper(), node.name, inputs, node.outputs, activation=node.attrs.get("activation", "NONE"))


def _cases(op: str) -> Iterable[Graph]:
    """Broadcasting, equal and very different scales, zero points at the edges, fused activations."""
    yield from broadcast.broadcasting_cases(op, activation="NONE")
    shapes = ((1, 3, 33, 2), (1, 3, 33, 2))
    yield broadcast.case(op, shapes, (0.5, 0.0003, 0.4), (-128, 127, -128), activation="RELU")
    yield broadcast.case(op, shapes, (0.01, 0.02, 0.0001), (5, -5, 0), activation="RELU6")
    yield broadcast.case(op, shapes, (0.0123, 0.0457, 0.0333), (5, -5, 0), activation="NONE")


_FIELDS = {"activation": "fusedActivationFunction"}
_KERNELS = {"ADD": "add_s8", "SUB": "sub_s8"}

ADD = Operator(
    name="ADD", code=0, options="AddOptions", fields=_FIELDS, version=2, output_shape=broadcast.output_shape,
    check=check, reference=reference, cases=lambda: _cases("ADD"),
    onnx=("Add", "HardSigmoid"), from_onnx=from_onnx, step=step, element_wise=True,
)  # fmt: skip
SUB = Operator(
    name="SUB", code=41, options="SubOptions", fields=_FIELDS, version=3, output_shape=broadcast.output_shape,
    check=check, reference=reference, cases=lambda: _cases("SUB"),
    onnx=("Sub",), from_onnx=from_onnx, step=step, element_wise=True,
)  # fmt: skip
