"""mean_s8, the plain kernel that every core runs."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each value that is summed up, and for each output.
VALUE, OUTPUT = 9, 70


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step as it is."""
    yield Variant(step, 0, VALUE * graph.input(node, 0).elements + OUTPUT * graph.output(node).elements)
