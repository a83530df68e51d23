"""add_s8_table: what each operand's 256 values add to the sum is in the plan, for every core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.add import LEFT_SHIFT, rescaling
from edgeq.ops.numerics import activation_range, multiply_by_quantized_multiplier
from edgeq.ops.operator import pack_i32
from edgeq.plan.variants.variant import SHIFT_MOST, Target, Variant, scaled_offset

VALUES = np.arange(256).astype(np.uint8).view(np.int8)  # by their byte
SUM_MOST = 1 << 29

# Instructions for each element; for what the tables take in flash, as if a byte were an instruction.
ELEMENT, TABLES = 19, 2048


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """Where nothing is broadcast, and four times the largest sum fits 32 bits."""
    x, second, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    factor_a, factor_b, (multiplier, shift) = rescaling(graph, node)
    if x.shape != y.shape or second.shape != y.shape or not -SHIFT_MOST <= shift <= 0:
        return
    a, b = (
        multiply_by_quantized_multiplier((VALUES.astype(np.int64) - tensor.zero_point) << LEFT_SHIFT, *factor)
        for tensor, factor in ((x, factor_a), (second, factor_b))
    )
    if np.abs(a).max() + np.abs(b).max() >= SUM_MOST:
        return
    low, high = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    sign = int(shift < 0 and low < y.zero_point)
    tables = np.concatenate([a, b if node.op == "ADD" else -b]) * 4
    params = pack_i32(multiplier, scaled_offset(shift, y.zero_point), 1 - shift, sign, low, high, *tables.tolist())
    yield Variant(Step("add_s8_table", params, step.inputs, step.output), 0, ELEMENT * y.elements + TABLES)
