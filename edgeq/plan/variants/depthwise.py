"""depthwise_conv2d_s8, the plain kernel that every core runs."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq import ops
from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each product, and for each output.
PRODUCT, OUTPUT = 7, 105


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step as it is."""
    products = ops.operator(node).macs(graph, node)
    yield Variant(step, 0, PRODUCT * products + OUTPUT * graph.output(node).elements)
