"""HARD_SWISH, x * relu6(x + 3) / 6, in TFLite's 16-bit arithmetic."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops import lut
from edgeq.ops.numerics import Ints, quantize_multiplier, rounding_divide_by_pot
from edgeq.ops.operator import Operator, same_as_input

_HIGH, _LOW = (1 << 15) - 1, -(1 << 15)
_MORE_BITS = 7  # an input less its zero point keeps 16 bits with that many more


def check(graph: Graph, node: Node) -> None:
    """int8, and an output that is not finer than TFLite's shifts reach."""
    lut.check_one_input(graph, node)
    _, exponent = _factor(graph.input(node, 0).scale, graph.output(node).scale)
    _, relu_exponent = _factor(graph.input(node, 0).scale, 3 / 32768)
    if not -15 <= exponent <= 0 or relu_exponent < -15:
        raise Unsupported(
            f"HARD_SWISH from a scale of {graph.input(node, 0).scale:g} to {graph.output(node).scale:g}",
            where=f"node {node.name}",
        )


def _factor(input_scale: float, output_scale: float) -> tuple[int, int]:
    """(16-bit multiplier, exponent) of input_scale / 128 / output_scale, in float32."""
    ratio = np.float32(1 / 128) * np.float32(input_scale) / np.float32(output_scale)
    multiplier, exponent = quantize_multiplier(float(ratio))
    return min((multiplier + (1 << 15)) >> 16, _HIGH), exponent


def rule(graph: Graph, node: Node) -> Ints:
    """numerics.md#hard-swish."""
    x, y = graph.input(node, 0), graph.output(node)
    multiplier, exponent = _factor(x.scale, y.scale)
    relu_multiplier, relu_exponent = _factor(x.scale, 3 / 32768)
    values = lut.distances(graph, node) << _MORE_BITS
    scaled = _high_mul(values, multiplier)
    share = values
    if relu_exponent > 0:
        share = _shift_left(share, relu_exponent - 1)
    share = _high_mul(share, relu_multiplier)
    if relu_exponent > 0:
        share = _shift_left(share, 1)
    if relu_exponent < 0:
        share = rounding_divide_by_pot(share, -relu_exponent)
    share = (share + (1 << 15)) >> 1
    product = share * scaled
    product = np.where(product >= 0, product >> 15, -(-product >> 15))  # towards zero
    out = rounding_divide_by_pot(product, -exponent) + y.zero_point
    return out.astype(np.int16).astype(np.int64)


def _high_mul(a: Ints, b: int) -> Ints:
    """(a * b * 2) >> 16, rounded as gemmlowp does."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.where(nudged >= 0, nudged >> 15, -(-nudged >> 15))


def _shift_left(a: Ints, amount: int) -> Ints:
    return np.asarray(np.clip(a << amount, _LOW, _HIGH), dtype=np.int64)


def cases() -> Iterable[Graph]:
    """Ranges around [-3, 3], far within and far beyond it."""
    for scale in (0.0003, 0.01, 0.025, 0.047, 0.1, 0.7, 3.0):
        yield lut.case("HARD_SWISH", (scale, scale * 0.7), (-20, -118))
        yield lut.case("HARD_SWISH", (scale, scale), (3, 0))
    yield lut.case("HARD_SWISH", (0.05, 0.0005), (127, -128))
    yield lut.case("HARD_SWISH", (0.05, 0.9), (-128, 127), (1, 3, 5, 7))


OPERATOR = Operator(
    name="HARD_SWISH", code=117, options="HardSwishOptions", fields={}, version=1, output_shape=same_as_input,
    check=check, reference=lut.reference_of(rule), cases=cases,
    onnx=("HardSwish",), from_onnx=lut.from_onnx_as("HARD_SWISH"), step=lut.step_of(rule), element_wise=True,
)  # fmt: skip
