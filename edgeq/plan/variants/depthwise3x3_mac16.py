"""depthwise3x3_s8_mac16: four channels at a time as int16 planes in the scratch; windows of 3x3, strides of 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.window import window_of
from edgeq.plan.variants.planes import both_ways, channels_of
from edgeq.plan.variants.variant import Target, Variant

WEIGHT_SHIFT = 2

# Instructions for each output, for each line of outputs, for each output channel in a part.
OUTPUT, LINE, CHANNEL = 23, 20, 150


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """With lines along the input's rows and along its columns, as many at a time as the scratch holds."""
    win, outputs = window_of(graph, node), graph.output(node)
    fits = win.size == (3, 3) and win.dilation == (1, 1) and max(win.stride) <= 2
    if not target.mac16 or not fits or (channels := channels_of(graph, node, WEIGHT_SHIFT)) is None:
        return
    for planes in both_ways(graph, node):
        if not (lines := planes.most_lines(target.scratch_bytes)):
            continue
        params = planes.params(step, lines, WEIGHT_SHIFT, channels)
        instructions = (
            OUTPUT * outputs.elements
            + outputs.shape[3] * (LINE * planes.across.outputs * planes.line_parts() + CHANNEL * planes.parts(lines))
            + planes.taking_apart(lines)
        )
        made = Step("depthwise3x3_s8_mac16", params, step.inputs, step.output)
        yield Variant(made, planes.planes_bytes(lines), instructions, *planes.passes(lines))
