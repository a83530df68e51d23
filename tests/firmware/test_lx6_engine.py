"""Every operator on the emulated core, with the kernels in assembly where they are chosen: the reference's bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from engine_check import check
from engine_lx6 import MISSING, EngineLx6
from graphs import one_input
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_layers import random_layer, random_layers

from edgeq import ops
from edgeq.graph import Graph
from edgeq.ops import broadcast, conv2d, depthwise_conv2d
from edgeq.plan import Target
from edgeq.plan.kernels import kernels

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
LX6 = Target(mac16=True, scratch_bytes=98304)
LAYERS, PARTS, LAYERS_AT_ONCE = 10_000, 4, 25
FIRST_STAND_IN = 50  # the id from which on kernels stand in for plain ones


def test_every_kernel_of_the_list_gives_the_bytes_of_the_reference(engine_lx6: EngineLx6) -> None:
    cases = [one_input(graph) for operator in ops.OPS.values() for graph in operator.cases()]
    assert set(check(engine_lx6, [*cases, *MORE], LX6)) == set(kernels())


# What no operator's cases make: tiles of 2x2, windows of two lines' phases and channels in fours.
MORE: Sequence[Graph] = (
    conv2d.case((1, 2, 2, 64), 8, (3, 3), padding="SAME"),
    conv2d.case((1, 9, 9, 8), 8, (3, 3), padding="SAME"),
    depthwise_conv2d.case(8, size=(5, 5), sides=(9, 9)),
    broadcast.case("MUL", ((1, 5), (1, 5)), (0.5, 0.5, 1e-4), constant=1, activation="NONE"),
)

SIDES: Sequence[int] = (1, 2, 3, 4, 5, 8, 9, 56, 57, 58, 59, 60, 115)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_planes_at_the_ends_of_their_lines(engine_lx6: EngineLx6, stride: int) -> None:
    graphs = []
    for i, side in enumerate(SIDES):
        activation = ("NONE", "RELU", "RELU6")[i % 3]
        for channels, sides in ((8, (side, 4)), (4 + i % 3, (3, side))):
            graphs.append(depthwise_conv2d.case(channels, 1 + i % 2, stride=stride, sides=sides, activation=activation))
    ran = check(engine_lx6, graphs, LX6)
    assert ran["depthwise3x3_s8_mac16"] == ran["depthwise_s8_mac16"] == len(graphs)


def test_random_layers_by_every_kernel(engine_lx6: EngineLx6) -> None:
    ran: Counter[str] = Counter()

    @settings(max_examples=4, suppress_health_check=list(HealthCheck))
    @given(st.lists(random_layers(), min_size=LAYERS_AT_ONCE, max_size=LAYERS_AT_ONCE))
    def many(graphs: list[Graph]) -> None:
        ran.update(check(engine_lx6, graphs, LX6))

    many()
    assert ran.total() >= 100


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_many_random_layers_by_every_kernel(engine_lx6: EngineLx6, part: int) -> None:
    ran: Counter[str] = Counter()
    for first in range(part * LAYERS // PARTS, (part + 1) * LAYERS // PARTS, LAYERS_AT_ONCE):
        layers = [random_layer(Random(seed)) for seed in range(first, first + LAYERS_AT_ONCE)]
        ran.update(check(engine_lx6, layers, LX6))
    assert {k.name for k in kernels().values() if k.id >= FIRST_STAND_IN} <= set(ran)
