"""depthwise3x3_s8: windows of 3x3, one channel at a time, for every core."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.window import window_of
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each output with a stride of one and of two, and for each line of a channel.
OUTPUT, LINE = {1: 64, 2: 75}, 250


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """Where the window is 3x3, is not dilated, and moves by one or two."""
    win, y = window_of(graph, node), graph.output(node)
    if win.size != (3, 3) or win.dilation != (1, 1) or max(win.stride) > 2:
        return
    _, high, wide, channels = y.shape
    stride = win.stride[0] if high > wide else win.stride[1]  # lines lie along the longer side
    instructions = OUTPUT[stride] * y.elements + LINE * min(high, wide) * channels
    yield Variant(Step("depthwise3x3_s8", step.params, step.inputs, step.output), 0, instructions)
