"""conv2d_s8_mac16, its plain C twin: the bytes of the reference for every shape, and no plan that it cannot run."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from engine_host import EngineHost, planned

from edgeq import ops
from edgeq.graph import Graph
from edgeq.ops import conv2d
from edgeq.ops.operator import seeded
from edgeq.plan import Target
from edgeq.plan.variants import conv2d as plain

MAC16 = Target(mac16=True, scratch_bytes=98304)


def shapes() -> list[Graph]:
    graphs = list(conv2d.cases())
    for i, c in enumerate((1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)):
        graphs.append(conv2d.case((1, 6, 5, c), 2 + i, (3, 3), seed=i))
        graphs.append(conv2d.case((1, 5, 7, c), 7, (1, 1), stride=(2, 2), seed=i))
        graphs.append(conv2d.case((1, 9, 9, c), 3, (5, 2), stride=(1, 2), padding="VALID", seed=i))
        graphs.append(conv2d.case((1, 9, 10, c), 4, (3, 3), dilation=(2, 3), zero_points=(-128, 127), seed=i))
    return graphs


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen wherever it can run, whatever it costs."""
    monkeypatch.setattr(plain, "OUTPUT", 1e9)


@pytest.mark.usefixtures("always")
def test_it_gives_the_bytes_of_the_reference(engine_host: EngineHost) -> None:
    batch, chosen = [], 0
    for graph in shapes():
        ready = planned(graph, target=MAC16)
        chosen += ready.plan.steps[0].kernel.name == "conv2d_s8_mac16"
        x = graph.tensor("x").shape[1:]
        extremes = [np.full(x, v, np.int8) for v in (-128, 127)]
        batch.append((ready, np.stack([*extremes, seeded(*x, seed=1), seeded(*x, seed=2)])))
    assert chosen >= len(batch) - 3, "all but the grouped ones and the one whose factors shift left"
    for (ready, inputs), outputs in zip(batch, engine_host.run(batch), strict=True):
        expected = ops.run(ready.graph, {"x": inputs})["y"]
        assert np.array_equal(outputs["y"].reshape(expected.shape), expected), ready.graph.nodes[0].attrs


@pytest.mark.usefixtures("always")
def test_a_small_scratch_makes_small_blocks(engine_host: EngineHost) -> None:
    graph = conv2d.case((1, 8, 8, 16), 24, (3, 3))
    inputs = np.stack([seeded(8, 8, 16, seed=3)])
    expected = ops.run(graph, {"x": inputs})["y"]
    for scratch in (98304, 5000, 4000, 2500):
        ready = planned(graph, target=Target(mac16=True, scratch_bytes=scratch))
        step = ready.plan.steps[0]
        assert step.kernel.name == "conv2d_s8_mac16" and ready.plan.scratch_bytes <= scratch
        (outputs,) = engine_host.run([(ready, inputs)])
        assert np.array_equal(outputs["y"].reshape(expected.shape), expected)
    (block,) = struct.unpack("<i", step.params[-4:])
    assert 1 <= block < 24
    nothing = planned(graph, target=Target(mac16=True, scratch_bytes=500))
    assert nothing.plan.steps[0].kernel.name == "conv2d_s8" and nothing.plan.scratch_bytes == 0


def test_the_cheaper_kernel_is_chosen() -> None:
    big = planned(conv2d.case((1, 14, 14, 32), 32, (3, 3)), target=MAC16)
    assert big.plan.steps[0].kernel.name == "conv2d_s8_mac16"
    # One pixel under a padded 3x3 window: eight of nine widened taps would be zeros.
    small = planned(conv2d.case((1, 1, 1, 128), 128, (3, 3)), target=MAC16)
    assert small.plan.steps[0].kernel.name == "conv2d_s8"
    assert planned(conv2d.case((1, 14, 14, 32), 32, (3, 3))).plan.scratch_bytes == 0


@pytest.mark.usefixtures("always")
def test_what_it_cannot_compute_exactly_is_left_to_the_plain_kernel() -> None:
    left = planned(conv2d.case((1, 4, 4, 8), 3, (3, 3), scales=(0.05, 1e-4)), target=MAC16)
    assert left.plan.steps[0].kernel.name == "conv2d_s8"
    tall = planned(conv2d.case((1, 20, 4, 8), 3, (17, 1)), target=MAC16)
    assert tall.plan.steps[0].kernel.name == "conv2d_s8"
