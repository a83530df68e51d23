"""Every operator on the emulated core, with the kernels in assembly where they are chosen: the reference's bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from engine_host import planned
from engine_lx6 import MISSING, EngineLx6
from graphs import one_input

from edgeq import ops
from edgeq.graph import Graph
from edgeq.ops import depthwise_conv2d
from edgeq.ops.operator import seeded
from edgeq.plan import Target

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
LX6 = Target(mac16=True, scratch_bytes=98304)


def check(engine: EngineLx6, graphs: Iterable[Graph], target: Target = LX6) -> set[str]:
    """Runs them all in one boot; the kernels that they were planned with."""
    batch = []
    for graph in graphs:
        x = graph.tensor(graph.inputs[0]).shape[1:]
        samples = [np.full(x, -128, np.int8), np.full(x, 127, np.int8), seeded(*x, seed=1)]
        batch.append((planned(graph, target=target), np.stack(samples)))
    assert batch
    for (ready, inputs), outputs in zip(batch, engine.run(batch), strict=True):
        expected = ops.run(ready.graph, {ready.graph.inputs[0]: inputs})
        assert ready.graph.outputs[0] in outputs
        for name, found in outputs.items():
            np.testing.assert_array_equal(found, expected[name], _said(ready.graph))
    return {step.kernel.name for ready, _ in batch for step in ready.plan.steps}


def _said(graph: Graph) -> str:
    node = graph.nodes[0]
    return f"{node.op} {[graph.tensor(name).shape for name in node.inputs]} {node.attrs}"


def test_every_operator_gives_the_bytes_of_the_reference(engine_lx6: EngineLx6) -> None:
    chosen = check(engine_lx6, [one_input(graph) for operator in ops.OPS.values() for graph in operator.cases()])
    assert len(chosen) > 20


SIDES: Sequence[int] = (1, 2, 3, 4, 5, 8, 9, 56, 57, 58, 59, 60, 115)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise3x3_mac16(engine_lx6: EngineLx6, stride: int) -> None:
    graphs = []
    for i, side in enumerate(SIDES):
        activation = ("NONE", "RELU", "RELU6")[i % 3]
        for channels, sides in ((8, (side, 4)), (4 + i % 3, (3, side))):
            graphs.append(depthwise_conv2d.case(channels, 1 + i % 2, stride=stride, sides=sides, activation=activation))
    assert "depthwise3x3_s8_mac16" in check(engine_lx6, graphs)
