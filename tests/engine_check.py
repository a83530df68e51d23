"""Graphs on an engine against the reference, all in one start of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from engine_host import EngineHost, Planned
from numpy.typing import NDArray
from random_layers import every_way

from edgeq import ops
from edgeq.graph import Graph
from edgeq.ops.operator import seeded
from edgeq.plan import Target


def check(engine: EngineHost, graphs: Iterable[Graph], target: Target) -> Counter[str]:
    """Every output has the reference's bytes, by every kernel that can run it; how often each kernel ran."""
    every = [ready for graph in graphs for ready in every_way(graph, target)]
    same(engine, every)
    return Counter(step.kernel.name for ready in every for step in ready.plan.steps)


def same(engine: EngineHost, every: Sequence[Planned]) -> None:
    """Every plan's outputs are the reference's, for the extremes, both in turns, and a seeded input."""
    batch = [(ready, _inputs(ready.graph)) for ready in every]
    assert batch
    for (ready, inputs), outputs in zip(batch, engine.run(batch), strict=True):
        expected = ops.run(ready.graph, {ready.graph.inputs[0]: inputs})
        assert ready.graph.outputs[0] in outputs
        for name, found in outputs.items():
            np.testing.assert_array_equal(found.reshape(expected[name].shape), expected[name], _said(ready))


def kernel_of(ready: Planned) -> str:
    """The kernel of its first step."""
    return ready.plan.steps[0].kernel.name


def _inputs(graph: Graph) -> NDArray[np.int8]:
    """[4, shape of the input]."""
    shape = graph.tensor(graph.inputs[0]).shape[1:]
    ends = [np.full(shape, value, np.int8) for value in (-128, 127)]
    turns = np.resize(np.array([-128, 127], np.int8), shape)
    return np.stack([*ends, turns, seeded(*shape, seed=1)])


def _said(ready: Planned) -> str:
    node = ready.graph.nodes[0]
    kernels = [step.kernel.name for step in ready.plan.steps]
    return f"{kernels} {[ready.graph.tensor(name).shape for name in node.inputs]} {node.attrs}"
