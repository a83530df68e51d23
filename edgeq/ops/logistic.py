"""LOGISTIC and TANH in gemmlowp's fixed point; the output's scale and zero point are given by rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams
from edgeq.ops import lut
from edgeq.ops.fixed_point import logistic, tanh
from edgeq.ops.numerics import (
    INT8_MAX,
    INT8_MIN,
    Ints,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
)
from edgeq.ops.operator import Lowering, Operator, same_as_input

INTEGER_BITS = 4  # of an input in fixed point: beyond 15 both functions count as their limits
LOGISTIC_OUTPUT = QuantParams((1 / 256,), (-128,))
TANH_OUTPUT = QuantParams((1 / 128,), (0,))


def _check(expected: QuantParams) -> Callable[[Graph, Node], None]:
    def check(graph: Graph, node: Node) -> None:
        """int8, and the output's scale and zero point that TFLite prescribes."""
        lut.check_one_input(graph, node)
        y = graph.output(node)
        if y.quant != expected:
            raise Unsupported(
                f"{node.op} gives 1/{1 / expected.scale[0]:g} and {expected.zero_point[0]}, "
                f"not {y.scale:g} and {y.zero_point}",
                where=f"node {node.name}",
            )
        if not 2**-28 <= graph.input(node, 0).scale < 2**35:  # TFLite would shift by -1, or by 63 bits
            raise Unsupported(
                f"{node.op} of an input scale of {graph.input(node, 0).scale:g}", where=f"node {node.name}"
            )

    return check


def _rule(function: Callable[[Ints], Ints], bits: int, zero_point: int) -> lut.Rule:
    """`function` from Q4 to Q0; `bits` of its fraction are the output."""

    def rule(graph: Graph, node: Node) -> Ints:
        """numerics.md#logistic."""
        fraction = 31 - INTEGER_BITS
        factor = graph.input(node, 0).scale * (1 << fraction)
        shift = math.frexp(factor)[1]
        radius = math.floor(((1 << INTEGER_BITS) - 1) * (1 << fraction) / 2**shift)
        values = lut.distances(graph, node)
        out = np.where(values > 0, INT8_MAX, INT8_MIN)
        inner = np.abs(values) < radius
        if inner.any():
            fixed = multiply_by_quantized_multiplier(values[inner], *quantize_multiplier(factor))
            out[inner] = rounding_divide_by_pot(function(fixed), 31 - bits) + zero_point
        return out

    return rule


def from_onnx(low: Lowering, node: Node) -> None:
    """Sigmoid and Tanh; an output of another scale than the prescribed one is requantised."""
    op, output = ("LOGISTIC", LOGISTIC_OUTPUT) if node.op == "Sigmoid" else ("TANH", TANH_OUTPUT)
    y = low.graph.output(node)
    if y.quant == output:
        low.emit(op, node.name, node.inputs, node.outputs)
        return
    between = low.activation(f"{y.name}/prescribed", y.shape, output)
    low.emit(op, f"{node.name}/prescribed", node.inputs, [between])
    low.emit("QUANTIZE", node.name, [between], node.outputs)


def _cases(op: str, output: QuantParams) -> Iterable[Graph]:
    """Flat and steep inputs, zero points at the edges."""
    for scale, zero_point in ((0.05, 3), (0.1, -128), (0.0471, 127), (0.0003, 0), (0.9, -40), (7.9, 1)):
        yield lut.case(op, (scale, output.scale[0]), (zero_point, output.zero_point[0]))
    yield lut.case(op, (0.07, output.scale[0]), (-9, output.zero_point[0]), (1, 3, 5, 7))


_logistic = _rule(logistic, 8, LOGISTIC_OUTPUT.zero_point[0])
_tanh = _rule(tanh, 7, TANH_OUTPUT.zero_point[0])
LOGISTIC = Operator(
    name="LOGISTIC", code=14, options=None, fields={}, version=2, output_shape=same_as_input,
    check=_check(LOGISTIC_OUTPUT), reference=lut.reference_of(_logistic),
    cases=lambda: _cases("LOGISTIC", LOGISTIC_OUTPUT),
    onnx=("Sigmoid",), from_onnx=from_onnx, step=lut.step_of(_logistic), element_wise=True,
)  # fmt: skip
TANH = Operator(
    name="TANH", code=28, options=None, fields={}, version=2, output_shape=same_as_input,
    check=_check(TANH_OUTPUT), reference=lut.reference_of(_tanh),
    cases=lambda: _cases("TANH", TANH_OUTPUT),
    onnx=("Tanh",), from_onnx=from_onnx, step=lut.step_of(_tanh), element_wise=True,
)  # fmt: skip
