"""The kernels that widen (conv2d_s8_gather, conv2d_s8_mac16) and fully_connected_s8_mac16, as plain C: the bytes of the
reference for every shape and scale, at the ends of the sums, and no plan that they cannot run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from engine_check import kernel_of, same
from engine_host import EngineHost, planned
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.graph import Graph
from edgeq.ops import conv2d, fully_connected
from edgeq.ops.numerics import requantise
from edgeq.plan import Target
from edgeq.plan import variants as listed
from edgeq.plan.variants import conv2d_gather, conv2d_mac16, fully_connected_mac16, scaled

LINEAR = "fully_connected_s8_mac16"
WIDENING = {"conv2d_s8_gather": conv2d_gather.offer, "conv2d_s8_mac16": conv2d_mac16.offer}


def target(scratch_bytes: int = 98304) -> Target:
    return Target(mac16=True, scratch_bytes=scratch_bytes)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has kernels chosen wherever they can run, whatever they cost; else the plain ones."""

    def only(kernel: str) -> None:
        monkeypatch.setitem(listed.VARIANTS, "conv2d_s8", (WIDENING[kernel],))

    monkeypatch.setitem(listed.VARIANTS, "fully_connected_s8", (fully_connected_mac16.offer,))
    return only


def convolutions() -> Iterable[Graph]:
    for i, c in enumerate((1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33)):
        act = ("NONE", "RELU", "RELU6")[i % 3]
        yield conv2d.case((1, 6, 5, c), 2 + i, (3, 3), seed=i, activation=act)
        yield conv2d.case((1, 5, 7, c), 7, (1, 1), stride=(2, 2), seed=i, activation=act, zero_points=(-128, -128))
        yield conv2d.case((1, 5, 3, c), 33 - i, (1, 1), seed=i, zero_points=(127, 127))
        yield conv2d.case((1, 9, 9, c), 3, (5, 2), stride=(1, 2), padding="VALID", seed=i)
        yield conv2d.case((1, 9, 11, c), 4, (3, 4), stride=(3, 1), dilation=(2, 3), zero_points=(-128, 127), seed=i)


@pytest.mark.parametrize("kernel", WIDENING)
def test_convolutions_give_the_bytes_of_the_reference(
    engine_host: EngineHost, alone: Callable[..., None], kernel: str
) -> None:
    alone(kernel)
    ready = [planned(graph, target=target()) for graph in (*conv2d.cases(), *convolutions())]
    for left in (r for r in ready if kernel_of(r) != kernel):
        channels, attrs = left.graph.tensor("x").shape[3], left.graph.nodes[0].attrs
        beyond = kernel == "conv2d_s8_mac16" and (channels % 4 or attrs["dilation_w"] > 1)
        assert beyond or kernel_of(left) == "grouped_conv2d_s8" or left.graph.tensor("y").scale < 1e-3, attrs
    same(engine_host, ready)


@pytest.mark.usefixtures("alone")
def test_linear_layers_give_the_bytes_of_the_reference(engine_host: EngineHost) -> None:
    graphs = [*fully_connected.cases()]
    graphs += [fully_connected.case(4 * n, 1 + n, per_channel=n % 2 == 0, out_scale=0.2 * n) for n in range(1, 34)]
    ready = [planned(graph, target=target()) for graph in graphs]
    assert sum(kernel_of(r) == LINEAR for r in ready) >= 33
    same(engine_host, ready)


@pytest.mark.parametrize(
    ("kernel", "channels"), [("conv2d_s8_gather", 16), ("conv2d_s8_gather", 17), ("conv2d_s8_mac16", 16)]
)
def test_a_small_scratch_makes_small_groups(
    engine_host: EngineHost, alone: Callable[..., None], kernel: str, channels: int
) -> None:
    alone(kernel)
    graph = conv2d.case((1, 8, 8, channels), 24, (3, 3), stride=(1, 2))
    ready = [planned(graph, target=target(scratch)) for scratch in (98304, 9000, 4000, 3000, 1600)]
    fitting = [r for r in ready if kernel_of(r) == kernel]
    groups = [scaled.fields_of(r.plan.steps[0].params)[12] for r in fitting]
    assert groups == sorted(groups, reverse=True) and groups[0] == (32 if "gather" in kernel else 8) > groups[-1]
    assert all(r.plan.scratch_bytes <= size for r, size in zip(ready, (98304, 9000, 4000, 3000, 1600), strict=True))
    same(engine_host, ready)
    assert kernel_of(planned(graph, target=target(300))) == "conv2d_s8"


def test_the_cheapest_kernel_is_chosen() -> None:
    def chosen(graph: Graph, where: Target) -> str:
        return kernel_of(planned(graph, target=where))

    assert chosen(conv2d.case((1, 14, 14, 32), 32, (1, 1)), target()) == "conv2d_s8_gather"
    assert chosen(conv2d.case((1, 14, 14, 3), 32, (3, 3)), target()) == "conv2d_s8_gather"
    assert chosen(conv2d.case((1, 14, 14, 32), 8, (5, 5)), target()) == "conv2d_s8_mac16"
    assert chosen(fully_connected.case(64, 10, per_channel=True), target()) == LINEAR
    assert chosen(fully_connected.case(63, 10, per_channel=True), target()) == "fully_connected_s8"
    # One pixel under a padded window: eight of nine gathered taps would be zeros.
    assert chosen(conv2d.case((1, 1, 1, 128), 128, (3, 3)), target()) == "conv2d_s8"
    for nothing in (Target(), target(0)):
        assert chosen(conv2d.case((1, 14, 14, 32), 32, (1, 1)), nothing) == "conv2d_s8"
        assert chosen(fully_connected.case(64, 10, per_channel=True), nothing) == "fully_connected_s8"


@pytest.mark.parametrize("kernel", WIDENING)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_convolution(engine_host: EngineHost, alone: Callable[..., None], kernel: str, data: st.DataObject) -> None:
    """Batches of shapes, scales from all that leave to factors above one, zero points, groups of any size."""
    alone(kernel)

    def draw(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    ready = []
    for _ in range(8):
        size, stride, dilation = ((draw(1, high), draw(1, high)) for high in (4, 3, 2))
        spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
        channels = draw(1, 33) if kernel == "conv2d_s8_gather" else 4 * draw(1, 8)
        graph = conv2d.case(
            (1, draw(spans[0], 12), draw(spans[1], 12), channels), draw(2, 9), size, stride=stride, dilation=dilation,
            padding=data.draw(st.sampled_from(["SAME", "VALID"])), seed=draw(0, 99),
            activation=data.draw(st.sampled_from(["NONE", "RELU", "RELU6"])),
            zero_points=(draw(-128, 127), draw(-128, 127)),
            scales=(0.05, 10.0 ** draw(-4, 6)), bias=data.draw(st.booleans()), per_channel=data.draw(st.booleans()),
        )  # fmt: skip
        ready.append(planned(graph, target=target(draw(1500, 9000))))
    same(engine_host, ready)


def test_a_channel_is_rounded_as_the_rule_says() -> None:
    """Around every tie and at the ends of the sums, for all shifts, zero points and both scales."""
    rng = np.random.default_rng(3)
    exact = 0
    for _ in range(3000):
        bits, shift = int(rng.choice([2, 8])), int(rng.integers(-33, 3))
        multiplier, zero_point = int(rng.integers(1 << 30, 1 << 31)), int(rng.integers(-128, 128))
        limit = (1 << (31 - bits)) - 1
        size = int(min(limit, 2 ** rng.uniform(4, 30)))
        clamp = int(rng.choice([-128, zero_point]))
        tail = scaled.tail_of(-size - 1, size, multiplier, shift, bits, zero_point, clamp)
        if tail is None:
            continue
        exact += 1
        ties = ((rng.integers(-140, 140, 40) * 2 + 1) << 31) * 2.0 ** (-shift - 1) / multiplier
        near = (ties.astype(np.int64)[:, None] + np.arange(-2, 3)).ravel()
        near = np.concatenate([near, np.arange(-40, 40), [-size - 1, -size, size]])
        near = near[(near >= -size - 1) & (near <= size)]
        factor, up, down, right = tail
        high = (near << bits) * factor >> 32
        got = np.clip((high + np.where(high < 0, down, up)) >> right, clamp, 127)
        assert np.array_equal(got, requantise(near, multiplier, shift, zero_point, (clamp, 127))), (bits, shift)
    assert exact > 1500
