"""average_pool2d_s8, the plain kernel that every core runs."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan.variants.variant import Target, Variant

# Instructions for each value that is looked at, and for each output.
VALUE, OUTPUT = 9, 40


def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
    """The step as it is."""
    window = node.attrs["filter_h"] * node.attrs["filter_w"]
    yield Variant(step, 0, graph.output(node).elements * (VALUE * window + OUTPUT))
