"""fully_connected_s8, the plain kernel that every core runs."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each product and for each output.
PRODUCT, OUTPUT = 5.0, 145


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step as it is."""
    outputs = graph.output(node).elements
    yield Variant(step, 0, outputs * (OUTPUT + PRODUCT * graph.input(node, 1).shape[1]))
