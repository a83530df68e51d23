"""conv2d_s8_winograd2 and 4, their plain C twins: the bytes of the reference for every shape and scale, at the ends of
the sums, and no plan that they cannot run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from engine_check import kernel_of, same
from engine_host import EngineHost, Planned, planned
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeq.convert import file_layout, write_tflite
from edgeq.graph import Graph
from edgeq.images.model import ModelImage, write_model_image
from edgeq.ops import conv2d
from edgeq.ops.operator import pack_i32
from edgeq.plan import Target, build_plan, encode_plan
from edgeq.plan import variants as listed
from edgeq.plan.variants import conv2d_winograd
from edgeq.plan.variants.scaled import fields_of

NAMES = tuple(method.kernel for method in conv2d_winograd.METHODS)
FOURS = (4, 8, 12, 16, 20, 28, 32, 36, 64, 68, 128, 132)


def target(scratch_bytes: int = 98304) -> Target:
    return Target(mac16=True, scratch_bytes=scratch_bytes)


@pytest.fixture(params=conv2d_winograd.METHODS, ids=NAMES)
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One of them, chosen wherever it can run, whatever it costs; else the plain kernel, which nothing offers."""
    monkeypatch.setitem(listed.VARIANTS, "conv2d_s8", (conv2d_winograd.offer,))
    monkeypatch.setattr(conv2d_winograd, "METHODS", (request.param,))
    name: str = request.param.kernel
    return name


def blocks_of(ready: Planned) -> tuple[int, int, int]:
    """Tiles, input channels, output channels."""
    tiles, depth, block = fields_of(ready.plan.steps[0].params)[6:9]
    return tiles, depth, block


def convolutions() -> Iterable[Graph]:
    for i, c in enumerate(FOURS):
        activation = ("NONE", "RELU", "RELU6")[i % 3]
        yield conv2d.case((1, 1 + i, 13 - i, c), 2 + i, (3, 3), seed=i, activation=activation)
        yield conv2d.case((1, 3 + i, 4, c), 5, (3, 3), padding="VALID", zero_points=(-128, 127), seed=i)
        yield conv2d.case((1, 5, 9, c), 3, (3, 3), zero_points=(127, -128), seed=i, bias=False, per_channel=False)


def with_weights(graph: Graph, weights: np.ndarray) -> Graph:
    """The graph of one convolution with other weights."""
    tensors = dict(graph.tensors) | {"w": replace(graph.tensor("w"), data=weights.astype(np.int8))}
    return replace(graph, tensors=tensors)


def test_convolutions_give_the_bytes_of_the_reference(engine_host: EngineHost, alone: str) -> None:
    ready = [planned(graph, target=target()) for graph in convolutions()]
    assert {kernel_of(r) for r in ready} == {alone}
    same(engine_host, ready)


@pytest.mark.usefixtures("alone")
def test_a_small_scratch_makes_small_blocks(engine_host: EngineHost) -> None:
    graph = conv2d.case((1, 14, 10, 64), 24, (3, 3))
    scratch = (98304, 30000, 10000, 5000, 2000)
    ready = [planned(graph, target=target(most)) for most in scratch]
    assert all(r.plan.scratch_bytes <= most for r, most in zip(ready, scratch, strict=True))
    tiles, depths, blocks = zip(*map(blocks_of, ready), strict=True)
    work = [t * d for t, d in zip(tiles, depths, strict=True)]
    assert work == sorted(work, reverse=True) and work[0] in (12 * 64, 35 * 64) and min(depths) < 64
    assert max(blocks) > 1
    same(engine_host, ready)
    assert kernel_of(planned(graph, target=target(400))) == "conv2d_s8"


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("sign", [-127, 127])
@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_sums_at_the_limit_come_in_chunks(engine_host: EngineHost, alone: str, sign: int, zero_point: int) -> None:
    """All weights at one end and inputs at the ends: of large tiles as many channels to a chunk as 2^25 allows."""
    graph = conv2d.case((1, 4, 4, 256), 2, (3, 3), zero_points=(zero_point, 0), scales=(0.05, 400.0))
    ready = planned(with_weights(graph, np.full((2, 3, 3, 256), sign)), target=target())
    assert kernel_of(ready) == alone
    _, depth, _ = blocks_of(ready)
    largest = 9 * 127 * max(128 + zero_point, 127 - zero_point)
    if alone == "conv2d_s8_winograd4":
        assert depth * largest < 1 << 25 and (depth == 256 or 2 * depth * largest >= 1 << 25)
    same(engine_host, [ready])


@pytest.mark.usefixtures("alone")
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_convolution(engine_host: EngineHost, data: st.DataObject) -> None:
    """Batches of shapes, scales, zero points and blocks of any size."""
    draw: Callable[[int, int], int] = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    ready = []
    for _ in range(8):
        shape = (1, draw(3, 14), draw(3, 14), 4 * draw(1, 9))
        graph = conv2d.case(
            shape, draw(2, 9), (3, 3), seed=draw(0, 99),
            padding=data.draw(st.sampled_from(["SAME", "VALID"])),
            activation=data.draw(st.sampled_from(["NONE", "RELU", "RELU6"])),
            zero_points=(draw(-128, 127), draw(-128, 127)),
            scales=(0.05, 10.0 ** draw(-2, 6)), bias=data.draw(st.booleans()), per_channel=data.draw(st.booleans()),
        )  # fmt: skip
        if data.draw(st.booleans()):
            ends = np.array([-128, -127, 127])
            graph = with_weights(graph, np.random.default_rng(draw(0, 99)).choice(ends, graph.tensor("w").shape))
        ready.append(planned(graph, target=target(draw(1500, 30000))))
    same(engine_host, ready)


def test_the_cheapest_kernel_is_chosen() -> None:
    """Large outputs in large tiles; small ones in small tiles; of one pixel eight of nine taps are padding."""
    sides = {1: "conv2d_s8", 6: "conv2d_s8_winograd2", 14: "conv2d_s8_winograd4"}
    for side, expected in sides.items():
        chosen = kernel_of(planned(conv2d.case((1, side, side, 64), 64, (3, 3)), target=target()))
        assert chosen == expected


@pytest.mark.usefixtures("alone")
def test_what_it_cannot_compute_is_left_to_others() -> None:
    others = [
        conv2d.case((1, 8, 8, 6), 4, (3, 3)),
        conv2d.case((1, 8, 8, 8), 4, (3, 3), stride=(2, 1)),
        conv2d.case((1, 8, 8, 8), 4, (3, 3), dilation=(1, 2)),
        conv2d.case((1, 8, 8, 8), 4, (3, 2)),
        conv2d.case((1, 8, 8, 8), 4, (3, 3), scales=(0.05, 1e-4)),
    ]
    assert {kernel_of(planned(graph, target=target())) for graph in others} == {"conv2d_s8"}
    assert kernel_of(planned(conv2d.case((1, 8, 8, 8), 4, (3, 3)), target=Target(scratch_bytes=98304))) == "conv2d_s8"


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("field", "values"),
    [
        pytest.param(0, (-1, 1025), id="padding"),
        pytest.param(2, (-129, 128), id="zero point"),
        pytest.param(4, (-128, 128), id="clamp"),
        pytest.param(5, (-4, 2, 1 << 30), id="weights"),
        pytest.param(6, (0, -1, 10, 1 << 16, 1 << 30), id="tiles"),
        pytest.param(7, (0, -4, 6, 12, 1 << 30), id="depth"),
        pytest.param(8, (0, -1, 5, 1 << 30), id="block"),
        pytest.param(10, (-1,), id="multiplier"),
        pytest.param(13, (0, 32), id="shift"),
    ],
)
def test_damaged_parameters_are_refused(engine_host: EngineHost, field: int, values: tuple[int, ...]) -> None:
    graph = conv2d.case((1, 6, 6, 8), 4, (3, 3), activation="RELU")
    tflite = write_tflite(graph)
    plan = build_plan(graph, file_layout(tflite), target())
    (step,) = plan.steps
    fields = list(fields_of(step.params))
    for value in (fields[field], *values):
        params = pack_i32(*fields[:field], value, *fields[field + 1 :])
        damaged = replace(plan, steps=(replace(step, params=params),))
        image = write_model_image(ModelImage(graph.name, encode_plan(damaged), tflite, b""))
        assert engine_host.open(image) == ("ok" if value == fields[field] else "bad plan"), value


@pytest.mark.usefixtures("alone")
def test_damaged_images_are_refused_or_run(engine_host: EngineHost) -> None:
    image = planned(conv2d.case((1, 6, 6, 8), 4, (3, 3)), target=target()).image
    ended = engine_host.mutate(image, 1, 600)
    assert sum(ended.values()) == 600 and min(ended["ok"], ended["bad plan"]) >= 50
