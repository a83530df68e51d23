"""Which kernel runs a step: of those that give the same bytes, the one with the fewest modelled instructions.

No kernel decides anything at run time: choice, block and scratch are in the plan. The model's constants were counted
on the emulated core (docs/kernels.md); they order kernels, and are no latency.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.conv2d import window_of
from edgeq.ops.operator import pack_i32
from edgeq.ops.weights import bias_values, channel_multipliers
from edgeq.ops.window import Window

SEGMENTS_MOST = 16
SLACK = 4  # halfwords behind each copy
CHANNEL_BYTES = 16
SUM_MOST = 1 << 30

# Instructions of conv2d_s8: for each product inside the input, for each output.
PLAIN_PRODUCT, PLAIN_OUTPUT = 7.5, 90
# Of conv2d_s8_mac16: for each product, segment and output; for each weight and each input value that is widened.
WIDE_PRODUCT, WIDE_SEGMENT, WIDE_OUTPUT, WIDEN_WEIGHT, WIDEN_INPUT = 1.0, 9, 40, 4, 5


@dataclass(frozen=True)
class Target:
    """What of a board decides between kernels."""

    mac16: bool = False
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Chosen:
    """A step with the kernel that was chosen, and the scratch that it takes."""

    step: Step
    scratch_bytes: int = 0


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


def choose(graph: Graph, node: Node, step: Step, target: Target) -> Chosen:
    """The step itself, or one with a faster kernel that the target can run."""
    if step.kernel != "conv2d_s8" or not target.mac16 or not _is_exact(graph, node):
        return Chosen(step)
    win = window_of(graph, node)
    tiling = _tiling(graph, node, win)
    block = _block(tiling, graph.output(node).shape[3], target.scratch_bytes)
    if tiling.segments > SEGMENTS_MOST or block < 1:
        return Chosen(step)
    if _wide_instructions(graph, node, win, tiling, block) >= _plain_instructions(graph, node, win):
        return Chosen(step)
    wide = Step("conv2d_s8_mac16", step.params + pack_i32(block), step.inputs, step.output)
    return Chosen(wide, tiling.scratch_bytes(block))


def _is_exact(graph: Graph, node: Node) -> bool:
    """Factors that do not shift left, and sums so small that the shorter rounding cannot overflow."""
    weights = graph.constant(node, 1)
    channels = weights.shape[0]
    _, shifts = channel_multipliers(graph, node, channels)
    products = 255 * np.abs(weights.astype(np.int64)).reshape(channels, -1).sum(axis=1)
    sums = products + np.abs(bias_values(graph, node, channels))
    return bool(shifts.max() <= 0 and sums.max() < SUM_MOST)


def _tiling(graph: Graph, node: Node, win: Window) -> _Tiling:
    dilated = win.dilation[1] > 1
    depth = _rounded(graph.input(node, 0).shape[3], 4 if dilated else 2)
    segments = win.size[0] * win.size[1] if dilated else win.size[0]
    run = _rounded((1 if dilated else win.size[1]) * depth, 4)
    columns = (graph.output(node).shape[2] - 1) * win.stride[1] + (win.size[1] - 1) * win.dilation[1] + 1
    line = _rounded(columns * depth + SLACK, 2) + SLACK
    return _Tiling(segments, run, line, (win.size[0] - 1) * win.dilation[0] + 1)


def _block(tiling: _Tiling, channels: int, scratch_bytes: int) -> int:
    """As many output channels at a time as the scratch holds."""
    one = tiling.scratch_bytes(1)
    more = tiling.scratch_bytes(2) - one
    return min(channels, (scratch_bytes - one) // more + 1)


def _plain_instructions(graph: Graph, node: Node, win: Window) -> float:
    x, y, weights = graph.input(node, 0), graph.output(node), graph.input(node, 1)
    taps = math.prod(sum(_inside(win, side, x.shape[1 + side], y.shape[1 + side])) for side in (0, 1))
    return PLAIN_PRODUCT * taps * weights.shape[3] * weights.shape[0] + PLAIN_OUTPUT * y.elements


def _inside(win: Window, side: int, size: int, outputs: int) -> Iterator[int]:
    """For each output along a side: how many taps of its window lie inside the input."""
    for i in range(outputs):
        first = i * win.stride[side] - win.before[side]
        yield sum(0 <= first + k * win.dilation[side] < size for k in range(win.size[side]))


def _wide_instructions(graph: Graph, node: Node, win: Window, tiling: _Tiling, block: int) -> float:
    y, weights = graph.output(node), graph.input(node, 1)
    blocks = -(-weights.shape[0] // block)
    rows = min(y.shape[1] * max(win.stride[0], 1) + tiling.lines, y.shape[1] * tiling.lines)
    return (
        y.elements * (WIDE_OUTPUT + tiling.segments * (WIDE_SEGMENT + WIDE_PRODUCT * tiling.run))
        + WIDEN_WEIGHT * weights.shape[0] * tiling.segments * tiling.run
        + WIDEN_INPUT * blocks * rows * tiling.line
    )


def _rounded(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
