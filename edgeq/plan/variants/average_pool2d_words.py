"""average_pool2d_s8_words: sums of four channels of a word at a time, in assembly."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each word that is looked at, for each row of a window and word, for each word of the output, for
# each pixel of it.
WORD, ROW, OUTPUT, PIXEL = 7, 4, 90, 120
SUM_BYTES = 4


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """Where channels fill words; on cores without the assembly it would bring nothing."""
    x, y = graph.input(node, 0), graph.output(node)
    scratch_bytes = SUM_BYTES * x.shape[3]
    if not target.mac16 or x.shape[3] % 4 or x.is_constant or scratch_bytes > target.scratch_bytes:
        return
    rows, columns = node.attrs["filter_h"], node.attrs["filter_w"]
    words = y.elements / 4
    instructions = words * (rows * (WORD * columns + ROW) + OUTPUT) + y.elements / y.shape[3] * PIXEL
    yield Variant(Step("average_pool2d_s8_words", step.params, step.inputs, step.output), scratch_bytes, instructions)
