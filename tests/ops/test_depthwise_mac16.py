"""The depthwise kernels by planes, as plain C: the bytes of the reference, and no plan that they cannot run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from engine_host import EngineHost, planned
from numpy.typing import NDArray

from edgeq import ops
from edgeq.convert import write_tflite
from edgeq.graph import Graph
from edgeq.images.model import ModelImage, write_model_image
from edgeq.ops import depthwise_conv2d
from edgeq.ops.operator import seeded
from edgeq.plan import Plan, Target, encode_plan
from edgeq.plan import variants as listed
from edgeq.plan.variants import depthwise3x3_mac16, depthwise_mac16

MAC16 = Target(mac16=True, scratch_bytes=98304)
KERNEL, ANY = "depthwise3x3_s8_mac16", "depthwise_s8_mac16"
LINES, TURNED, SHIFT, FIXED = range(12, 16)  # places of parameters


def shapes() -> list[Graph]:
    """Sides around a pair of outputs and around the planes' lines, channels around four, strides, paddings, clamps."""
    graphs = []
    for i, side in enumerate((1, 2, 3, 4, 5, 8, 9, 56, 57, 58, 59, 60, 115)):
        for channels, sides in ((1 + i % 5, (side, 4)), (4 + i % 9, (3, side))):
            for stride in (1, 2):
                graphs.append(
                    depthwise_conv2d.case(
                        channels, 1 + i % 2, stride=stride, sides=sides, per_channel=i % 3 > 0,
                        padding="VALID" if i % 4 == 3 and min(sides) > 2 else "SAME",
                        activation=("NONE", "RELU", "RELU6")[i % 3],
                    )
                )  # fmt: skip
    return graphs


def test_it_gives_the_bytes_of_the_reference(engine_host: EngineHost) -> None:
    batch = []
    for graph in shapes():
        ready = planned(graph, target=MAC16)
        x = graph.tensor("x").shape[1:]
        extremes = [np.full(x, v, np.int8) for v in (-128, 127)]
        batch.append((ready, np.stack([*extremes, seeded(*x, seed=1), seeded(*x, seed=2)])))
    chosen = [_params(p.plan)[[LINES, TURNED]].tolist() for p, _ in batch if _kernel(p.plan) == KERNEL]
    assert len(chosen) > 40 and {turned for _, turned in chosen} == {0, 1}
    for (ready, inputs), outputs in zip(batch, engine_host.run(batch), strict=True):
        expected = ops.run(ready.graph, {"x": inputs})["y"]
        assert np.array_equal(outputs["y"].reshape(expected.shape), expected), ready.graph.nodes[0].attrs


@pytest.mark.parametrize("stride", [1, 2])
def test_a_small_scratch_makes_few_lines_at_a_time(engine_host: EngineHost, stride: int) -> None:
    graph = depthwise_conv2d.case(8, stride=stride, sides=(20, 61))
    inputs = np.stack([seeded(20, 61, 8, seed=3)])
    expected = ops.run(graph, {"x": inputs})["y"]
    for scratch in (98304, 6000, 3000, 1500):
        ready = planned(graph, target=Target(mac16=True, scratch_bytes=scratch))
        assert _kernel(ready.plan) == KERNEL and ready.plan.scratch_bytes <= scratch
        (outputs,) = engine_host.run([(ready, inputs)])
        assert np.array_equal(outputs["y"].reshape(expected.shape), expected)
    nothing = planned(graph, target=Target(mac16=True, scratch_bytes=1487))
    assert _kernel(nothing.plan) == "depthwise3x3_s8" and nothing.plan.scratch_bytes == 0


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has these kernels chosen wherever they can run, whatever they cost."""
    return lambda *offers: monkeypatch.setitem(listed.VARIANTS, "depthwise_conv2d_s8", offers)


def windows() -> list[Graph]:
    """Windows that begin at even and odd places, dilated ones, strides to 3, wider than a line is long."""
    graphs = [*shapes(), *depthwise_conv2d.cases()]
    for i in range(24):
        size, dilation, stride = (1 + i % 7, 1 + i * 5 % 9), 1 + i % 3, 1 + i // 3 % 3
        sides = (20 + i, 26 + 5 * i)
        graphs.append(
            depthwise_conv2d.case(
                1 + i % 9, 1 + i % 3, size=size, stride=stride, dilation=dilation,
                sides=sides if i % 2 else sides[::-1], padding=("SAME", "VALID")[i % 2],
                activation=("NONE", "RELU", "RELU6")[i % 3],
            )
        )  # fmt: skip
    graphs += [depthwise_conv2d.case(4, size=(3, 59), sides=(5, 70)), depthwise_conv2d.case(4, out_scale=1e-3)]
    return [*graphs, _with_large_bias(depthwise_conv2d.case(6, size=(2, 5), out_scale=1e4))]


def _with_large_bias(graph: Graph) -> Graph:
    bias = graph.tensor("b")
    assert bias.data is not None
    return replace(graph, tensors={**graph.tensors, "b": replace(bias, data=bias.data * np.int32(200_000))})


def test_any_window_gives_the_bytes_of_the_reference(engine_host: EngineHost, only: Callable[..., None]) -> None:
    only(depthwise_mac16.offer)
    batch = []
    for graph in windows():
        ready, x = planned(graph, target=MAC16), graph.tensor("x").shape[1:]
        batch.append((ready, np.stack([*(np.full(x, v, np.int8) for v in (-128, 127)), seeded(*x, seed=3)])))
    assert {_kernel(p.plan) for p, _ in batch} == {ANY}
    params = [_params(p.plan) for p, _ in batch]
    assert {p[TURNED] for p in params} == {0, 1} and {p[SHIFT] for p in params} == {2, 8}
    for (ready, inputs), outputs in zip(batch, engine_host.run(batch), strict=True):
        expected = ops.run(ready.graph, {"x": inputs})["y"]
        assert np.array_equal(outputs["y"].reshape(expected.shape), expected), ready.graph.nodes[0].attrs


@pytest.mark.parametrize(
    "graph",
    [
        depthwise_conv2d.case(8, size=(5, 4), sides=(20, 20)),
        depthwise_conv2d.case(8, dilation=2, sides=(20, 20)),
        depthwise_conv2d.case(8, stride=3, sides=(20, 20)),
        depthwise_conv2d.case(8, sides=(20, 20), out_scale=5e-4),  # factors above one shift left
    ],
    ids=["window", "dilation", "stride", "shift to the left"],
)
def test_what_is_not_3x3_is_left_to_the_other(graph: Graph, only: Callable[..., None]) -> None:
    only(depthwise3x3_mac16.offer)
    assert _kernel(planned(graph, target=MAC16).plan) == "depthwise_conv2d_s8"
    only(depthwise_mac16.offer)
    assert _kernel(planned(graph, target=MAC16).plan) == ANY


@pytest.mark.parametrize(
    "graph",
    [
        depthwise_conv2d.case(4, size=(60, 61), sides=(70, 70)),
        depthwise_conv2d.case(8, sides=(20, 20), out_scale=1e-7),
    ],
    ids=["window", "far to the left"],
)
def test_what_neither_can_compute_is_left_to_the_plain_kernel(graph: Graph) -> None:
    assert _kernel(planned(graph, target=MAC16).plan) in ("depthwise_conv2d_s8", "depthwise3x3_s8")


WRONG = [(LINES, 0), (LINES, 21), (TURNED, 2), (TURNED, -1), (8, 128), (9, 128), (10, -129), (11, -1), (SHIFT, 3)]
WRONG += [(0, 0), (0, 1025), (FIXED + 1, -1), (FIXED + 4, 0), (FIXED + 4, 32)]
WRONG_3X3 = [(0, 5), (1, 2), (2, 3), (3, 3), (4, 2), (5, 2), (SHIFT, 8), (FIXED + 3, 99)]


@pytest.mark.parametrize(
    ("kernel", "place", "value"),
    [(KERNEL, *wrong) for wrong in (*WRONG, *WRONG_3X3)] + [(ANY, *wrong) for wrong in (*WRONG, (1, 60), (5, 30))],
)
def test_the_engine_refuses_other_parameters(
    engine_host: EngineHost, only: Callable[..., None], kernel: str, place: int, value: int
) -> None:
    only({KERNEL: depthwise3x3_mac16.offer, ANY: depthwise_mac16.offer}[kernel])
    graph = depthwise_conv2d.case(8, sides=(20, 20), size=(3, 3) if kernel == KERNEL else (3, 4))
    ready = planned(graph, target=MAC16)
    assert _kernel(ready.plan) == kernel
    (step,) = ready.plan.steps
    params = _params(ready.plan)

    def status() -> str:
        plan = replace(ready.plan, steps=(replace(step, params=params.tobytes()),))
        return engine_host.open(
            write_model_image(ModelImage("wrong", encode_plan(plan), write_tflite(ready.graph), b""))
        )

    assert status() == "ok"
    params[place] = value
    assert status() == "bad plan"


def _kernel(plan: Plan) -> str:
    return plan.steps[0].kernel.name


def _params(plan: Plan) -> NDArray[np.int32]:
    return np.frombuffer(plan.steps[0].params, "<i4").copy()
