"""conv2d_s8_gather: windows gathered as int16 in the scratch, as many at a time as it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.window import Window, window_of
from edgeq.plan.variants.variant import Target, Variant, rounded
from edgeq.plan.variants.widened import PRODUCT, WIDEN_INPUT, evenly, widening

SLACK = 6 + 4  # halfwords around the weights and behind the windows

# Instructions for each output; for each value that is widened into a line, or copied from one; for each window and
# each row of a window.
OUTPUT, WIDEN_LINE, COPY, WINDOW, RUN = 13, 3.6, 1.3, 50, 14


@dataclass(frozen=True)
class _Tiling:
    """What conv2d_s8_gather.c lays into the scratch, in values."""

    win: Window
    channels: int
    width: int  # of the output

    @property
    def direct(self) -> bool:
        return self.channels % 4 == 0

    @property
    def values(self) -> int:
        """Of a window, filled up."""
        return rounded(math.prod(self.win.size) * self.channels, 4)

    def line(self, pixels: int) -> int:
        """Of a row of the input below so many pixels of the output."""
        columns = (min(pixels, self.width) - 1) * self.win.stride[1] + (self.win.size[1] - 1) * self.win.dilation[1] + 1
        return columns * self.channels

    def scratch_bytes(self, pixels: int) -> int:
        line = self.line(pixels)
        line += (line ^ self.win.size[1] * self.channels) & 1
        lines = 0 if self.direct else rounded(self.win.size[0] * line, 2)
        return 2 * (self.values + lines + pixels * self.values + SLACK)

    def gathering(self) -> float:
        """Instructions for the windows of one row of the output."""
        rows = self.win.size[0]
        if not self.direct:
            windows = self.width * (COPY * self.values + WINDOW + RUN * rows)
            return windows + WIDEN_LINE * rows * self.line(self.width)
        besides = RUN if self.values == self.channels else WINDOW + RUN * rows
        return self.width * (WIDEN_INPUT * self.values + besides)


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step where some widening is exact and the scratch holds at least one window."""
    if not target.mac16 or (wide := widening(graph, node)) is None:
        return
    y = graph.output(node)
    tiling = _Tiling(window_of(graph, node), graph.input(node, 0).shape[3], y.shape[2])
    total = y.shape[1] * y.shape[2]
    pixels = evenly(total, tiling.scratch_bytes, target.scratch_bytes)
    if not pixels:
        return
    groups = -(-total // pixels)
    instructions = (
        y.elements * (OUTPUT + PRODUCT * tiling.values)
        + groups * wide.weights(tiling.values)
        + y.shape[1] * tiling.gathering()
    )
    made = wide.step("conv2d_s8_gather", step, pixels)
    yield Variant(made, tiling.scratch_bytes(pixels), instructions, constant_passes=groups)
