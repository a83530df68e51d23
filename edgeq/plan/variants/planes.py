"""What the depthwise kernels by planes share (depthwise_planes.c): four channels at a time as int16 in the scratch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.operator import pack_i32
from edgeq.ops.weights import bias_values
from edgeq.ops.window import window_of
from edgeq.plan.variants.scaled import Ints, fields_of, scaled_channels, weight_sums

LINE_BYTES = 496  # four planes' lines beside each other
LINE_INPUTS = 59  # that may be used of a plane's line

# Instructions for each four inputs of a plane, for each part and four channels, for each value that is filled.
INPUTS, GROUP, FILL = 12, 150, 3


@dataclass(frozen=True)
class Side:
    """One direction of a layer: along the planes' lines, or across them."""

    size: int
    stride: int
    dilation: int
    outputs: int

    def inputs(self, outputs: int) -> int:
        """How many lie below so many outputs."""
        return (outputs - 1) * self.stride + (self.size - 1) * self.dilation + 1


@dataclass(frozen=True)
class Planes:
    """A layer with lines along the input's rows or, turned, along its columns."""

    turned: bool
    line: Side
    across: Side
    channels: int  # of the input

    @property
    def line_outputs(self) -> int:
        """How many of a line fit a plane's; 0 where the window is too long."""
        span = self.line.inputs(1)
        fit = (LINE_INPUTS - span) // self.line.stride + 1 if span <= LINE_INPUTS else 0
        return min(self.line.outputs, fit)

    def most_lines(self, scratch_bytes: int) -> int:
        """How many lines of the output so much scratch holds; 0 if none."""
        lines = scratch_bytes // LINE_BYTES - self.across.inputs(1)
        return min(self.across.outputs, lines // self.across.stride + 1) if lines >= 0 else 0

    def planes_bytes(self, lines: int) -> int:
        """Of the scratch, for so many lines of the output at a time."""
        return self.across.inputs(lines) * LINE_BYTES

    def line_parts(self) -> int:
        """In how many parts a line is done."""
        return -(-self.line.outputs // self.line_outputs)

    def parts(self, lines: int) -> int:
        """In how many parts the output is done."""
        return self.line_parts() * -(-self.across.outputs // lines)

    def passes(self, lines: int) -> tuple[float, float]:
        """How often constants are read, and the input: parts overlap."""
        overlapping = self.across.inputs(lines) / (lines * self.across.stride)
        return self.parts(lines), max(1.0, overlapping if self.across.outputs > lines else 1.0)

    def taking_apart(self, lines: int) -> float:
        """Instructions to fill all planes."""
        filled = self.across.inputs(lines) * self.line.inputs(self.line_outputs)
        groups = -(-self.channels // 4)
        return self.parts(lines) * (groups * (GROUP + INPUTS * filled) + 4 * FILL * filled)

    def params(self, step: Step, lines: int, weight_shift: int, channels: Ints) -> bytes:
        """depthwise_conv2d_s8's step for another kernel (plan-format.md#depthwise3x3_s8_mac16)."""
        *window, zero_point, _, low, high, weights, _ = fields_of(step.params)[:14]
        fields = (*window, zero_point, low, high, weights, lines, int(self.turned), weight_shift)
        return pack_i32(*fields, *channels.ravel().tolist())


def both_ways(graph: Graph, node: Node) -> Iterator[Planes]:
    """Along the input's rows, and along its columns."""
    win, (_, height, width, _) = window_of(graph, node), graph.output(node).shape
    sides = [Side(*of) for of in zip(win.size, win.stride, win.dilation, (height, width), strict=True)]
    channels = graph.input(node, 0).shape[3]
    yield Planes(False, sides[1], sides[0], channels)
    yield Planes(True, sides[0], sides[1], channels)


def channels_of(graph: Graph, node: Node, weight_shift: int) -> Ints | None:
    """What each output channel's sums need to become outputs; None where it would not be exact."""
    bias = bias_values(graph, node, graph.input(node, 1).shape[3])
    starts = bias - (graph.input(node, 0).zero_point + 128) * weight_sums(graph, node)
    return scaled_channels(graph, node, weight_shift, starts * 2**weight_shift)
