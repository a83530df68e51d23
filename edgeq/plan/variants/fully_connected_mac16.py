"""fully_connected_s8_mac16: weights taken four at a time as they lie, inputs laid out in the scratch to fit."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.operator import pack_i32
from edgeq.ops.weights import bias_values
from edgeq.plan.variants.scaled import fields_of, scaled_channels, weight_sums
from edgeq.plan.variants.variant import Target, Variant

BITS = 8  # the sums are 256 times themselves

# Instructions for each product and output, and for each input that is laid out.
PRODUCT, OUTPUT, INPUT = 1.75, 22, 8


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step where weights lie in words, in rows of whole words, and the sums fit 24 bits."""
    weights = graph.constant(node, 1)
    outputs, inputs = weights.shape
    rows, zero_point, _, low, high, offset, _ = fields_of(step.params)[:7]
    scratch_bytes = 2 * inputs + 8
    if not target.mac16 or inputs % 4 or offset % 4 or scratch_bytes > target.scratch_bytes:
        return
    # 256 (w1 x1 + w0 x0) + 127 (w0 + 128) + 2^15 x0 for each two: what depends on the weights alone is taken off here.
    even = weights[:, ::2].astype("int64") + 128
    starts = bias_values(graph, node, outputs) - zero_point * weight_sums(graph, node)
    channels = scaled_channels(graph, node, BITS, starts * 2**BITS - 127 * even.sum(axis=1))
    if channels is None:
        return
    fields = (rows, low, high, offset, *channels.ravel().tolist())
    made = Step("fully_connected_s8_mac16", pack_i32(*fields), step.inputs, step.output)
    yield Variant(made, scratch_bytes, rows * (outputs * (OUTPUT + PRODUCT * inputs) + INPUT * inputs))
