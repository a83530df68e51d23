"""depthwise3x3_s8_mac16: four channels at a time as int16 planes in the scratch; windows of 3x3, strides of 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.depthwise_conv2d import window_of
from edgeq.ops.operator import pack_i32
from edgeq.ops.weights import channel_multipliers
from edgeq.plan.variants.variant import SHIFT_MOST, Target, Variant, largest_sum

LINE_BYTES = 496  # four planes' lines beside each other
LINE_INPUTS = 59  # that may be used of a plane's line
SUM_MOST = 1 << 28

# Instructions for each output, for each line of outputs, each output channel in a part, each four inputs of a plane.
OUTPUT, LINE, CHANNEL, INPUTS = 26, 22, 330, 12


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """With lines along the input's rows and along its columns, as many at a time as the scratch holds."""
    win = window_of(graph, node)
    fits = win.size == (3, 3) and win.dilation == (1, 1) and max(win.stride) <= 2
    if not target.mac16 or not fits or not _is_exact(graph, node):
        return
    for turned in (False, True):
        lines = _lines(graph, node, turned, target.scratch_bytes)
        if lines < 1:
            continue
        stride = win.stride[1 if turned else 0]
        made = Step("depthwise3x3_s8_mac16", step.params + pack_i32(lines, int(turned)), step.inputs, step.output)
        scratch_bytes = _inputs(lines, stride) * LINE_BYTES
        yield Variant(made, scratch_bytes, _instructions(graph, node, turned, lines))


def _is_exact(graph: Graph, node: Node) -> bool:
    """Shifts with which no constant overflows, and sums that four times as large fit 32 bits."""
    _, shifts = channel_multipliers(graph, node, graph.input(node, 1).shape[3])
    return bool(shifts.min() >= -SHIFT_MOST and shifts.max() <= 0 and largest_sum(graph, node, axis=3) < SUM_MOST)


def _inputs(outputs: int, stride: int) -> int:
    """What a window of three reads for so many outputs."""
    return (outputs - 1) * stride + 3


def _lines(graph: Graph, node: Node, turned: bool, scratch_bytes: int) -> int:
    across = 2 if turned else 1
    stride = window_of(graph, node).stride[across - 1]
    return int(min(graph.output(node).shape[across], (scratch_bytes // LINE_BYTES - 3) // stride + 1))


def _instructions(graph: Graph, node: Node, turned: bool, lines: int) -> float:
    y, x = graph.output(node), graph.input(node, 0)
    strides = window_of(graph, node).stride
    across, along = (y.shape[2], y.shape[1]) if turned else (y.shape[1], y.shape[2])
    stride = strides[0 if turned else 1]
    parts = -(-along // ((LINE_INPUTS - 3) // stride + 1)) * -(-across // lines)
    inputs = y.elements // y.shape[3] * strides[0] * strides[1] * -(-x.shape[3] // 4)
    planes = parts * _inputs(lines, strides[1 if turned else 0]) * LINE_BYTES
    return (
        OUTPUT * y.elements
        + LINE * across * y.shape[3] * -(-along // ((LINE_INPUTS - 3) // stride + 1))
        + CHANNEL * parts * y.shape[3]
        + INPUTS * inputs
        + planes
    )
