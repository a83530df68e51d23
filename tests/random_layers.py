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
from edgeq.graph import Graph
from edgeq.plan import Target
from edgeq.plan import variants as listed

MACS_MOST = 200_000
OPS = (
    "CONV_2D", "CONV_2D", "CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD",
    "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "SUM", "SOFTMAX", "LOGISTIC", "TANH", "HARD_SWISH",
)  # fmt: skip


class _Layer(Grower):
    """Sides and channels of 1 to 33, windows of up to 7x7."""

    sizes: Sequence[int] = range(1, 34)
    window = 7


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
    """Planned as it is chosen, then with each kernel that can run it."""
    seen = set()
    for turn in range(-1, max(map(len, listed.VARIANTS.values()))):
        with pytest.MonkeyPatch.context() as patch:
            for kernel, offers in list(listed.VARIANTS.items()) if turn >= 0 else ():
                patch.setitem(listed.VARIANTS, kernel, (offers[turn % len(offers)],))
            ready = planned(graph, target=target)
        kernels = tuple(step.kernel.name for step in ready.plan.steps)
        if kernels not in seen:
            seen.add(kernels)
            yield ready
