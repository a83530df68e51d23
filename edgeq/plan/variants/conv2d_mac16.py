"""conv2d_s8_mac16: rows of the input and weights of a block of output channels as int16 copies in the scratch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.conv2d import window_of
from edgeq.ops.operator import pack_i32
from edgeq.ops.weights import channel_multipliers
from edgeq.ops.window import Window
from edgeq.plan.variants.variant import Target, Variant, largest_sum, rounded

SEGMENTS_MOST = 16
SLACK = 4  # halfwords behind each copy
CHANNEL_BYTES = 16
SUM_MOST = 1 << 30

# Instructions for each product, segment and output; for each weight and each input value that is widened.
PRODUCT, SEGMENT, OUTPUT, WIDEN_WEIGHT, WIDEN_INPUT = 1.0, 9, 40, 4, 5


@dataclass(frozen=True)
class _Tiling:
    """The int16 copies of conv2d_s8_mac16.c, in halfwords; `block` output channels are done at a time."""

    segments: int
    run: int
    line: int
    lines: int

    def scratch_bytes(self, block: int) -> int:
        weights = block * self.segments * self.run + 2 * SLACK
        return block * CHANNEL_BYTES + 2 * (self.lines * self.line + weights)


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step in blocks as large as the scratch holds, where its shorter rounding is exact."""
    if not target.mac16 or not _is_exact(graph, node):
        return
    win = window_of(graph, node)
    tiling = _tiling(graph, node, win)
    block = _block(tiling, graph.output(node).shape[3], target.scratch_bytes)
    if tiling.segments > SEGMENTS_MOST or block < 1:
        return
    wide = Step("conv2d_s8_mac16", step.params + pack_i32(block), step.inputs, step.output)
    yield Variant(wide, tiling.scratch_bytes(block), _instructions(graph, node, win, tiling, block))


def _is_exact(graph: Graph, node: Node) -> bool:
    """Factors that do not shift left, and sums so small that the shorter rounding cannot overflow."""
    _, shifts = channel_multipliers(graph, node, graph.input(node, 1).shape[0])
    return bool(shifts.max() <= 0 and largest_sum(graph, node) < SUM_MOST)


def _tiling(graph: Graph, node: Node, win: Window) -> _Tiling:
    dilated = win.dilation[1] > 1
    depth = rounded(graph.input(node, 0).shape[3], 4 if dilated else 2)
    segments = win.size[0] * win.size[1] if dilated else win.size[0]
    run = rounded((1 if dilated else win.size[1]) * depth, 4)
    columns = (graph.output(node).shape[2] - 1) * win.stride[1] + (win.size[1] - 1) * win.dilation[1] + 1
    line = rounded(columns * depth + SLACK, 2) + SLACK
    return _Tiling(segments, run, line, (win.size[0] - 1) * win.dilation[0] + 1)


def _block(tiling: _Tiling, channels: int, scratch_bytes: int) -> int:
    """As many output channels at a time as the scratch holds."""
    one = tiling.scratch_bytes(1)
    more = tiling.scratch_bytes(2) - one
    return min(channels, (scratch_bytes - one) // more + 1)


def _instructions(graph: Graph, node: Node, win: Window, tiling: _Tiling, block: int) -> float:
    y, weights = graph.output(node), graph.input(node, 1)
    blocks = -(-weights.shape[0] // block)
    rows = min(y.shape[1] * max(win.stride[0], 1) + tiling.lines, y.shape[1] * tiling.lines)
    return (
        y.elements * (OUTPUT + tiling.segments * (SEGMENT + PRODUCT * tiling.run))
        + WIDEN_WEIGHT * weights.shape[0] * tiling.segments * tiling.run
        + WIDEN_INPUT * blocks * rows * tiling.line
    )
