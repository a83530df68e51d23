"""Random single layers around every unroll of a kernel, and all the kernels that can run them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from engine_host import Planned, planned
from hypothesis import strategies as st
from random_graphs import GROWERS, Grower

from edgeq import ops
from edgeq.errors import EdgeqError
from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan import Target
from edgeq.plan import variants as listed
from edgeq.plan.variants.variant import Variant

MACS_MOST = 200_000
OPS = (
    "CONV_2D", "CONV_2D", "CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD",
    "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SUM", "SOFTMAX", "LOGISTIC", "TANH", "HARD_SWISH",
)  # fmt: skip


class _Layer(Grower):
    """Sides and channels of 1 to 33, often in fours; windows of up to 7x7, often 3x3."""

    sizes: Sequence[int] = (*range(1, 34), *range(4, 33, 4), *range(4, 33, 4))

    def side(self) -> int:
        return self.random.choice((3, 3, 3, self.small(7)))

    def stride(self) -> int:
        return self.random.choice((1, 1, 2, 3))


def random_layer(random: Random) -> Graph:
    """A checked graph of one layer with one output."""
    while True:
        try:
            grower, operator = _Layer(random), random.choice(OPS)
            GROWERS[operator](grower, operator)
            graph = Graph("layer", grower.tensors, tuple(grower.nodes), ("x",), grower.nodes[-1].outputs)
            ops.check(graph)
        except (EdgeqError, IndexError):  # a rule refuses it, or it is too large
            continue
        if ops.macs(graph) <= MACS_MOST:
            return graph


def random_layers() -> st.SearchStrategy[Graph]:
    """The strategy."""
    return st.integers(0, (1 << 32) - 1).map(lambda seed: random_layer(Random(seed)))


def every_way(graph: Graph, target: Target) -> Iterator[Planned]:
    """Planned as it is chosen, then with each kernel that can run a step of it wherever it can."""
    offered: dict[str, None] = {}

    def only(offers: tuple[listed.Offer, ...], kernel: str) -> listed.Offer:
        def offer(graph: Graph, node: Node, step: Step, target: Target) -> Iterator[Variant]:
            found = [variant for each in offers for variant in each(graph, node, step, target)]
            offered.update(dict.fromkeys(variant.step.kernel for variant in found))
            yield from [variant for variant in found if variant.step.kernel == kernel] or found

        return offer

    def plan_with(kernel: str) -> Planned:
        with pytest.MonkeyPatch.context() as patch:
            for plain, offers in list(listed.VARIANTS.items()):
                patch.setitem(listed.VARIANTS, plain, (only(offers, kernel),))
            return planned(graph, target=target)

    first = plan_with("")
    yield first
    seen = {_kernels(first)}
    for kernel in tuple(offered):
        ready = plan_with(kernel)
        if _kernels(ready) not in seen:
            seen.add(_kernels(ready))
            yield ready


def _kernels(ready: Planned) -> tuple[str, ...]:
    return tuple(step.kernel.name for step in ready.plan.steps)
