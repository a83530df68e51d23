"""Graphs on an engine against the reference, all in one start of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from engine_host import EngineHost, Planned
from random_layers import every_way

from edgeq import ops
from edgeq.graph import Graph
from edgeq.ops.operator import seeded
from edgeq.plan import Target


def check(engine: EngineHost, graphs: Iterable[Graph], target: Target) -> Counter[str]:
    """Every output has the reference's bytes, by every kernel that can run it; how often each kernel ran."""
    batch = []
    for graph in graphs:
        x = graph.tensor(graph.inputs[0]).shape[1:]
        inputs = np.stack([np.full(x, -128, np.int8), np.full(x, 127, np.int8), seeded(*x, seed=1)])
        batch += [(ready, inputs) for ready in every_way(graph, target)]
    assert batch
    for (ready, inputs), outputs in zip(batch, engine.run(batch), strict=True):
        expected = ops.run(ready.graph, {ready.graph.inputs[0]: inputs})
        assert ready.graph.outputs[0] in outputs
        for name, found in outputs.items():
            np.testing.assert_array_equal(found, expected[name], _said(ready))
    return Counter(step.kernel.name for ready, _ in batch for step in ready.plan.steps)


def _said(ready: Planned) -> str:
    node = ready.graph.nodes[0]
    kernels = [step.kernel.name for step in ready.plan.steps]
    return f"{kernels} {[ready.graph.tensor(name).shape for name in node.inputs]} {node.attrs}"
