"""conv2d_s8_winograd2 and 4 in assembly on the emulated core: the reference's bytes, and what a product takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from engine_host import planned
from engine_lx6 import MISSING, EngineLx6

from edgeq import ops
from edgeq.graph import Graph
from edgeq.ops import conv2d
from edgeq.ops.operator import seeded
from edgeq.plan import Target
from edgeq.plan import variants as listed
from edgeq.plan.variants import conv2d_winograd

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
METHODS = pytest.mark.parametrize(
    "method", conv2d_winograd.METHODS, ids=[method.kernel for method in conv2d_winograd.METHODS]
)
ENDS = np.array([-128, -127, 127], np.int8)


def drawn(random: Random) -> Graph:
    """A convolution of 3x3 of any size up to 15x15, zero points, clamps and scales; some with weights at the ends."""
    graph = conv2d.case(
        (1, random.randint(3, 15), random.randint(3, 15), 4 * random.choice([1, 2, 3, 5, 8, 9, 16, 17, 32])),
        random.randint(2, 6), (3, 3), padding=random.choice(["SAME", "VALID"]), seed=random.randint(0, 999),
        activation=random.choice(["NONE", "RELU", "RELU6"]),
        zero_points=(random.randint(-128, 127), random.randint(-128, 127)),
        scales=(0.05, 10 ** random.uniform(-1, 4)), per_channel=random.random() < 0.5,
    )  # fmt: skip
    if random.random() < 0.6:
        return graph
    weights = graph.tensor("w")
    ends = np.random.default_rng(random.randint(0, 999)).choice(ENDS, weights.shape)
    return replace(graph, tensors=dict(graph.tensors) | {"w": replace(weights, data=ends)})


def check(engine: EngineLx6, graphs: Iterable[Graph], kernel: str, random: Random) -> None:
    batch = []
    for graph in graphs:
        x = graph.tensor("x").shape[1:]
        target = Target(mac16=True, scratch_bytes=random.choice([3000, 12000, 40000, 98304]))
        turns = np.resize(np.array([-128, 127], np.int8), x)
        batch.append((planned(graph, target=target), np.stack([turns, seeded(*x, seed=random.randint(0, 999))])))
    chosen = [ready.plan.steps[0].kernel.name for ready, _ in batch]
    assert chosen.count(kernel) > 0.7 * len(chosen)
    for (ready, inputs), outputs in zip(batch, engine.run(batch), strict=True):
        expected = ops.run(ready.graph, {"x": inputs})["y"]
        said = f"{ready.graph.tensor('x').shape} {ready.plan.steps[0].params[:36]!r}"
        np.testing.assert_array_equal(outputs["y"].reshape(expected.shape), expected, said)


@METHODS
def test_the_assembly_gives_the_bytes_of_the_reference(
    engine_lx6: EngineLx6, monkeypatch: pytest.MonkeyPatch, method: conv2d_winograd.Method
) -> None:
    monkeypatch.setitem(listed.VARIANTS, "conv2d_s8", (conv2d_winograd.offer,))
    monkeypatch.setattr(conv2d_winograd, "METHODS", (method,))
    random = Random(method.side)
    check(engine_lx6, [drawn(random) for _ in range(60)], method.kernel, random)


@pytest.mark.slow
@METHODS
@pytest.mark.parametrize("part", range(10))
def test_many_convolutions(
    engine_lx6: EngineLx6, monkeypatch: pytest.MonkeyPatch, method: conv2d_winograd.Method, part: int
) -> None:
    monkeypatch.setitem(listed.VARIANTS, "conv2d_s8", (conv2d_winograd.offer,))
    monkeypatch.setattr(conv2d_winograd, "METHODS", (method,))
    random = Random(1000 * part + method.side)
    check(engine_lx6, [drawn(random) for _ in range(100)], method.kernel, random)
