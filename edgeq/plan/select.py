"""Which kernel runs a step: of those that give the same bytes, the one with the fewest modelled cycles.

No kernel decides anything at run time: choice, block and scratch are in the plan. A variant's model is fitted to what
was counted on the emulated core (docs/kernels.md); it orders kernels, and is no latency.
"""

from __future__ import annotations

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan.variants import VARIANTS
from edgeq.plan.variants.variant import Target, Variant, cycles

__all__ = ["Target", "choose"]


def choose(graph: Graph, node: Node, step: Step, target: Target) -> Variant:
    """The step with the kernel that has the fewest modelled cycles, among those that the target can run."""
    offered = [variant for offer in VARIANTS.get(step.kernel, ()) for variant in offer(graph, node, step, target)]
    return min(offered, key=lambda variant: cycles(graph, node, variant, target), default=Variant(step, 0, 0))
