"""mul_s8_scaled: products times 256, so that one half of a product scales them."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.operator import pack_i32
from edgeq.plan.variants.scaled import fields_of, tail_of
from edgeq.plan.variants.variant import Target, Variant

SCALE_BITS = 8
ELEMENT = 20  # instructions


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """Where the short arithmetic is exact."""
    a_zero, b_zero, zero_point, low, high, multiplier, shift = fields_of(step.params)
    ends = [(a - a_zero) * (b - b_zero) for a in (-128, 127) for b in (-128, 127)]
    tail = tail_of(min(ends), max(ends), multiplier, shift, SCALE_BITS, zero_point, low)
    if tail is None:
        return
    params = pack_i32(a_zero, b_zero, low, high, 0, *tail)
    made = Step("mul_s8_scaled", params, step.inputs, step.output)
    yield Variant(made, 0, ELEMENT * graph.output(node).elements)
