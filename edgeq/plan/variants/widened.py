"""What conv2d_s8_gather and conv2d_s8_mac16 share: inputs widened as x + 128, weights times a power of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.operator import pack_i32
from edgeq.ops.weights import bias_values
from edgeq.plan.variants.scaled import Ints, fields_of, scaled_channels, weight_sums

# Instructions for each product; for each weight that is widened, by shift; for each channel of a group besides.
PRODUCT, WIDEN_WEIGHT, CHANNEL = 1.0, {8: 2.25, 2: 3.5}, 120
WIDEN_INPUT = 2.0  # for each value that is widened in fours
SHIFTS = tuple(WIDEN_WEIGHT)  # the cheaper first


@dataclass(frozen=True)
class Widening:
    """How far weights are shifted, and what their sums need to become outputs."""

    shift: int
    channels: Ints

    def step(self, kernel: str, step: Step, at_a_time: int) -> Step:
        """conv2d_s8's step for another kernel (plan-format.md#conv2d_s8_gather)."""
        *window, zero_point, _, low, high, weights, _ = fields_of(step.params)[:14]
        fields = (*window, zero_point, low, high, weights, at_a_time, self.shift, *self.channels.ravel().tolist())
        return Step(kernel, pack_i32(*fields), step.inputs, step.output)

    def weights(self, values: int) -> float:
        """Instructions to widen every output channel's weights, `values` each, once."""
        return len(self.channels) * (CHANNEL + WIDEN_WEIGHT[self.shift] * values)


def widening(graph: Graph, node: Node) -> Widening | None:
    """The cheapest one that is exact, None if none is."""
    bias = bias_values(graph, node, graph.input(node, 1).shape[0])
    starts = bias - (graph.input(node, 0).zero_point + 128) * weight_sums(graph, node)
    for shift in SHIFTS:
        channels = scaled_channels(graph, node, shift, starts * 2**shift)
        if channels is not None:
            return Widening(shift, channels)
    return None


def evenly(total: int, scratch_bytes: Callable[[int], int], most_bytes: int) -> int:
    """How many of `total` to do at a time so that they fit in the fewest groups of like size; 0 if not even one fits.

    `scratch_bytes` says how much so many take, and rises.
    """
    fits, over = 0, total + 1
    while over - fits > 1:
        middle = (fits + over) // 2
        fits, over = (middle, over) if scratch_bytes(middle) <= most_bytes else (fits, middle)
    return -(-total // -(-total // fits)) if fits else 0
