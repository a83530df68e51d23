"""conv2d_s8, the plain kernel that every core runs."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.window import Window, window_of
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each product inside the input, and for each output; of a pixel that goes alone.
PRODUCT, OUTPUT = 4.4, 65
PRODUCT_ALONE, OUTPUT_ALONE = 5.0, 170
BLOCK = 64  # output channels for which the input is read once
CACHED = 16384  # bytes of weights that stay in the cache from one row to the next: half of what it holds


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step as it is."""
    x, y, weights = graph.input(node, 0), graph.output(node), graph.input(node, 1)
    win = window_of(graph, node)
    rows, columns = (list(_inside(win, side, x.shape[1 + side], y.shape[1 + side])) for side in (0, 1))
    alone = _alone(win, x.shape == (*y.shape[:3], x.shape[3]), rows, columns) / (len(rows) * len(columns))
    product, output = PRODUCT + alone * (PRODUCT_ALONE - PRODUCT), OUTPUT + alone * (OUTPUT_ALONE - OUTPUT)
    instructions = product * sum(rows) * sum(columns) * weights.shape[3] * weights.shape[0] + output * y.elements
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


def _alone(win: Window, same_size: bool, rows: list[int], columns: list[int]) -> int:
    """How many pixels have no neighbour to go with, two at a time: kernels.md#conv2d_s8, Lines."""
    high, wide = (sum(n == size for n in inside) for inside, size in zip((rows, columns), win.size, strict=True))
    if win.size == (1, 1) and same_size:
        return len(rows) * len(columns) % 2
    return len(rows) * (wide % 2) + (len(columns) - wide) * (high % 2 + len(rows) - high)
