"""conv2d_s8, the plain kernel that every core runs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.conv2d import window_of
from edgeq.ops.window import Window
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each product inside the input, and for each output.
PRODUCT, OUTPUT = 4.4, 65
BLOCK = 64  # output channels for which the input is read once
CACHED = 16384  # bytes of weights that stay in the cache from one row to the next: half of what it holds


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step as it is."""
    x, y, weights = graph.input(node, 0), graph.output(node), graph.input(node, 1)
    win = window_of(graph, node)
    taps = math.prod(sum(_inside(win, side, x.shape[1 + side], y.shape[1 + side])) for side in (0, 1))
    instructions = PRODUCT * taps * weights.shape[3] * weights.shape[0] + OUTPUT * y.elements
    block = weights.bytes * min(BLOCK, weights.shape[0]) // weights.shape[0]
    yield Variant(
        step, 0, instructions,
        constant_passes=1 if block <= CACHED else y.shape[1],
        input_passes=-(-weights.shape[0] // BLOCK),
    )  # fmt: skip


def _inside(win: Window, side: int, size: int, outputs: int) -> Iterator[int]:
    """For each output along a side: how many taps of its window lie inside the input."""
    for i in range(outputs):
        first = i * win.stride[side] - win.before[side]
        yield sum(0 <= first + k * win.dilation[side] < size for k in range(win.size[side]))
