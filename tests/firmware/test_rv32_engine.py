"""Every operator on an emulated RV32IMC, the ESP32-C3's instruction set: the reference's bytes."""

from __future__ import annotations

import numpy as np
import pytest
from engine_check import check
from engine_host import planned
from engine_rv32 import MISSING, EngineRv32
from graphs import one_input
from plain_shapes import shapes

from edgeq import ops
from edgeq.ops import conv2d
from edgeq.ops.operator import seeded
from edgeq.plan import Target

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


NAMES = {"conv2d_s8", "depthwise_conv2d_s8", "depthwise3x3_s8", "fully_connected_s8"}


def test_every_operator_gives_the_bytes_of_the_reference(engine_rv32: EngineRv32) -> None:
    cases = [one_input(graph) for operator in ops.OPS.values() for graph in operator.cases()]
    assert len(check(engine_rv32, cases, Target())) > 20


def test_the_plain_kernels_around_every_unroll(engine_rv32: EngineRv32) -> None:
    assert set(check(engine_rv32, shapes(), Target())) >= NAMES


def test_the_count_is_repeatable_and_close_to_what_the_loop_takes(engine_rv32: EngineRv32) -> None:
    graph = conv2d.case((1, 12, 12, 64), 32, (3, 3), padding="VALID")
    ready, sample = planned(graph), seeded(12, 12, 64, seed=1)
    output, instructions = engine_rv32.count(ready.image, sample.tobytes())
    expected = ops.run(graph, {"x": sample[np.newaxis]})["y"]
    assert output == expected.tobytes()
    assert engine_rv32.count(ready.image, sample.tobytes()) == (output, instructions)
    assert 2.5 < instructions / ops.macs(graph) < 3
