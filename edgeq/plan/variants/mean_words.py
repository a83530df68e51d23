"""mean_s8_words: sums of four channels of a word at a time, in assembly."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.operator import pack_i32
from edgeq.plan.variants.scaled import fields_of, tail_of
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each word that is looked at, for each output, for each window.
WORD, OUTPUT, WINDOW = 7.2, 35, 150
SUM_BYTES = 4
SCALE_BITS = (8, 2)


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """Where channels fill words and the short arithmetic is exact; it would bring nothing without the assembly."""
    x, y = graph.input(node, 0), graph.output(node)
    over_height, over_width, over_channels, zero_point, out_zero_point, multiplier, shift = fields_of(step.params)
    channels = x.shape[-1]
    scratch_bytes = SUM_BYTES * (4 if over_channels else channels)
    if not target.mac16 or channels % 4 or x.is_constant or scratch_bytes > target.scratch_bytes:
        return
    count = x.elements // y.elements
    low, high = (count * (end - zero_point) for end in (-128, 127))
    for bits in SCALE_BITS:
        tail = tail_of(low, high, multiplier, shift, bits, out_zero_point, -128)
        if tail is None:
            continue
        params = pack_i32(over_height, over_width, over_channels, bits, -(128 + zero_point) * count, *tail)
        windows = y.elements if over_channels else y.elements / channels
        instructions = WORD * x.elements / 4 + OUTPUT * y.elements + WINDOW * windows
        yield Variant(Step("mean_s8_words", params, step.inputs, step.output), scratch_bytes, instructions)
        return
