"""add_s8_table: the planner's tables and constants give the reference's sum for every pair of values."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeq import ops
from edgeq.graph import Graph
from edgeq.ops import broadcast
from edgeq.plan import Target
from edgeq.plan.variants import add_table

SCALES = st.floats(1e-4, 10)
ZERO_POINTS = st.integers(-128, 127)
A, B = np.meshgrid(np.arange(-128, 128, dtype=np.int8), np.arange(-128, 128, dtype=np.int8))


@settings(max_examples=200)
@given(
    op=st.sampled_from(["ADD", "SUB"]), scales=st.tuples(SCALES, SCALES, SCALES),
    zero_points=st.tuples(ZERO_POINTS, ZERO_POINTS, ZERO_POINTS), activation=st.sampled_from(["NONE", "RELU", "RELU6"]),
)  # fmt: skip
def test_every_pair(
    op: str, scales: tuple[float, float, float], zero_points: tuple[int, int, int], activation: str
) -> None:
    shape = (1, 1, 256, 256)
    graph = broadcast.case(op, (shape, shape), scales, zero_points, activation=activation)
    (node,) = graph.nodes
    (plain,) = ops.steps(graph, node, lambda constant: 0)
    for variant in add_table.offer(graph, node, plain, Target()):
        check(graph, variant.step)
    assert scales[2] > 7 * max(scales[:2]) or list(add_table.offer(graph, node, plain, Target()))


def check(graph: Graph, step: ops.Step) -> None:
    params = np.frombuffer(step.params, "<i4").astype(np.int64)
    multiplier, offset, shift, sign, low, high = params[:6]
    a, b = params[6:262], params[262:]
    total = a[A.view(np.uint8)] + b[B.view(np.uint8)]
    assert np.abs(total).max() < 1 << 31
    upper = (total * multiplier) >> 32
    value = (upper + offset - 2 * (sign & (upper < -1))) >> shift
    expected = ops.run(graph, {"a": A.reshape(1, 1, 256, 256), "b": B.reshape(1, 1, 256, 256)})[graph.outputs[0]]
    np.testing.assert_array_equal(np.clip(value, low, high).reshape(expected.shape), expected)
