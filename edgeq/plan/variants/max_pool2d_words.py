"""max_pool2d_s8_words: four channels of a word at a time, in assembly."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.numerics import activation_range
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each word that is looked at, for each row of a window and word, for each word of the output.
WORD, ROW, OUTPUT = 9, 5, 19


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """Where channels fill words and nothing is clamped; on cores without the assembly it would bring nothing."""
    x, y = graph.input(node, 0), graph.output(node)
    clamped = activation_range(node.attrs["activation"], y.scale, y.zero_point) != (-128, 127)
    if not target.mac16 or clamped or x.shape[3] % 4 or x.is_constant:
        return
    rows, columns = node.attrs["filter_h"], node.attrs["filter_w"]
    instructions = y.elements / 4 * (rows * (WORD * columns + ROW) + OUTPUT)
    yield Variant(Step("max_pool2d_s8_words", step.params, step.inputs, step.output), 0, instructions)
