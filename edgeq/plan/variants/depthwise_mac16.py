"""depthwise_s8_mac16: windows of any size as runs of words on int16 planes in the scratch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan.variants.planes import Planes, both_ways, channels_of
from edgeq.plan.variants.variant import Target, Variant

WEIGHT_SHIFTS = (8, 2)
AROUND, SLACK = 4, 8  # halfwords around each of the weights, and behind the planes

# Instructions for each output, each row of its window and each product of it; for a line of outputs; for an output
# channel in a part, and for each of its weights.
OUTPUT, ROW, PRODUCT, LINE, CHANNEL, WEIGHT = 16, 5, 1, 70, 250, 8


@dataclass(frozen=True)
class _Windows:
    """How windows lie in the words of a line: all on even places, or every other one on an odd one."""

    planes: Planes

    @property
    def phases(self) -> int:
        return 1 + self.planes.line.stride % 2

    def row(self, phase: int) -> int:
        """Values of a row, filled up to fours."""
        return (self.planes.line.inputs(1) + phase + 3) // 4 * 4

    def scratch_bytes(self, lines: int) -> int:
        weights = sum(self.planes.across.size * self.row(phase) + AROUND for phase in range(self.phases))
        after = self.phases * self.planes.line.stride  # where a window would come behind the last
        return 2 * (weights + after + SLACK) + self.planes.planes_bytes(lines)

    def filtering(self, lines: int) -> float:
        """Instructions for one output channel."""
        rows, parts = self.planes.across.size, self.planes.parts(lines)
        taps = rows * self.planes.line.size
        row = sum(map(self.row, range(self.phases))) / self.phases
        output = OUTPUT + rows * (ROW + PRODUCT * row)
        lines_in_all = self.planes.across.outputs * self.planes.line_parts()
        return (
            output * self.planes.across.outputs * self.planes.line.outputs
            + self.phases * (LINE * lines_in_all + parts * (CHANNEL + WEIGHT * taps))
        )  # fmt: skip


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """Both ways that lines can run, where a window fits a line of the planes."""
    if not target.mac16:
        return
    exact = ((shift, channels_of(graph, node, shift)) for shift in WEIGHT_SHIFTS)
    shift, channels = next(((shift, found) for shift, found in exact if found is not None), (0, None))
    if channels is None:
        return
    for planes in both_ways(graph, node):
        windows = _Windows(planes)
        lines = planes.most_lines(target.scratch_bytes - windows.scratch_bytes(1) + planes.planes_bytes(1))
        if not lines or not planes.line_outputs:
            continue
        made = Step("depthwise_s8_mac16", planes.params(step, lines, shift, channels), step.inputs, step.output)
        instructions = len(channels) * windows.filtering(lines) + planes.taking_apart(lines)
        yield Variant(made, windows.scratch_bytes(lines), instructions, *planes.passes(lines))
