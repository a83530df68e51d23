"""conv2d_s8_mac16: rows of the input as int16 in the scratch, below as many rows of the output as it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.window import Window, window_of
from edgeq.plan.variants.variant import Target, Variant
from edgeq.plan.variants.widened import PRODUCT, WIDEN_INPUT, evenly, widening

SLACK = 4 + 4  # halfwords around the weights and behind the lines

# Instructions for each output and for each row of its window, for each row of the output of one channel, for each line.
OUTPUT, WINDOW_ROW, ROW, LINE = 16, 5, 60, 60


@dataclass(frozen=True)
class _Tiling:
    """What conv2d_s8_mac16.c lays into the scratch, in values."""

    win: Window
    channels: int
    width: int  # of the output

    @property
    def values(self) -> int:
        return self.win.size[0] * self.win.size[1] * self.channels

    @property
    def line(self) -> int:
        return ((self.width - 1) * self.win.stride[1] + self.win.size[1]) * self.channels

    def lines(self, rows: int) -> int:
        """Rows of the input below so many of the output."""
        return (rows - 1) * self.win.stride[0] + (self.win.size[0] - 1) * self.win.dilation[0] + 1

    def scratch_bytes(self, rows: int) -> int:
        skipped = max(self.win.stride[1] - self.win.size[1], 0) * self.channels
        return 2 * (self.values + self.lines(rows) * self.line + skipped + SLACK)


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step where channels come in fours, some widening is exact, and the scratch holds a row of windows."""
    x, y = graph.input(node, 0), graph.output(node)
    win = window_of(graph, node)
    if not target.mac16 or x.shape[3] % 4 or win.dilation[1] > 1 or (wide := widening(graph, node)) is None:
        return
    tiling = _Tiling(win, x.shape[3], y.shape[2])
    rows = evenly(y.shape[1], tiling.scratch_bytes, target.scratch_bytes)
    if not rows:
        return
    groups = -(-y.shape[1] // rows)
    instructions = (
        y.elements * (OUTPUT + WINDOW_ROW * win.size[0] + PRODUCT * tiling.values)
        + groups * wide.weights(tiling.values)
        + y.shape[1] * y.shape[3] * ROW
        + groups * tiling.lines(rows) * (LINE + WIDEN_INPUT * tiling.line)
    )
    made = wide.step("conv2d_s8_mac16", step, rows)
    passes = groups * tiling.lines(rows) / x.shape[1]
    yield Variant(made, tiling.scratch_bytes(rows), instructions, constant_passes=groups, input_passes=passes)
