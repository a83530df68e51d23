"""average_pool2d_s8_words, max_pool2d_s8_words, mean_s8_words and mul_s8_scaled, as plain C: the bytes of the
reference, and no plan that they cannot run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from engine_check import kernel_of, same
from engine_host import EngineHost, Planned, planned

from edgeq.convert import write_tflite
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.images.model import ModelImage, write_model_image
from edgeq.ops import broadcast, mean
from edgeq.plan import Target, encode_plan
from edgeq.plan import variants as listed
from edgeq.plan.variants import average_pool2d_words, max_pool2d_words, mean_words, mul_scaled

MAC16 = Target(mac16=True, scratch_bytes=98304)
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33)


def pool(
    op: str, sides: tuple[int, int], channels: int, size: tuple[int, int], stride: int, padding: str = "SAME"
) -> Graph:
    """One pool, with a clamp where it averages and strides are even."""
    quant, clamped = QuantParams.per_tensor(0.05, -20), op == "AVERAGE_POOL_2D" and stride % 2 == 0
    out = (-(-n // stride) if padding == "SAME" else (n - k) // stride + 1 for n, k in zip(sides, size, strict=True))
    x, y = Tensor("x", (1, *sides, channels), "int8", quant), Tensor("y", (1, *out, channels), "int8", quant)
    attrs = dict(
        filter_h=size[0], filter_w=size[1], stride_h=stride, stride_w=stride, padding=padding,
        activation="RELU6" if clamped else "NONE",
    )  # fmt: skip
    return Graph("pool", {"x": x, "y": y}, (Node(op, "pool", ("x",), ("y",), attrs),), ("x",), ("y",))


def pools(op: str) -> Iterable[Graph]:
    """Windows of few and of more than 257 values, wide ones and high ones, at every edge."""
    for i, side in enumerate(SIZES):
        for channels in (4, 12, 64):
            size = (min(side, 1 + i % 5), min(side, 1 + i // 3))
            yield pool(
                op, (side, SIZES[-i - 1]), channels, size, 1 + i % 3, ("SAME", "VALID")[size[1] <= SIZES[-i - 1]]
            )
    for sides in ((17, 17), (300, 3), (3, 300), (16, 16), (1, 600)):
        yield pool(op, sides, 8, sides, 1, "VALID")


def means() -> Iterable[Graph]:
    """Every choice of axes, over few values and many, finer and coarser outputs."""
    for axes in ((1,), (2,), (3,), (1, 2), (1, 3), (2, 3), (1, 2, 3)):
        for i, side in enumerate(SIZES):
            yield mean.case("MEAN", (1, side, SIZES[-i - 1], 4 * (1 + i % 9)), axes, (0.05, 0.03 * 4 ** (i % 5 - 2)))
        yield mean.case("MEAN", (1, 20, 300, 8), axes, zero_points=(127, -128))
        yield mean.case("SUM", (1, 3, 5, 16), axes, (0.05, 0.9), zero_points=(-128, 127))


def products() -> Iterable[Graph]:
    """Factors up to what a shift to the left allows and down to where only zero points come out."""
    for i, n in enumerate(SIZES):
        zero_points = ((-128, 127, -128), (127, 127, 127), (-128, -128, 0), (3, -5, 12))[i % 4]
        shapes: tuple[tuple[int, ...], tuple[int, ...]] = (
            (1, 3, 2, n),
            ((1, 3, 2, n), (1, 1, 1, n), (1, 3, 1, 1))[i % 3],
        )
        for scale in (0.00013, 0.004, 0.3, 7.0, 3e5):
            activation = ("NONE", "RELU", "RELU6")[i % 3]
            yield broadcast.case("MUL", shapes, (0.05, 0.08, scale), zero_points, constant=1, activation=activation)
            yield broadcast.case("MUL", shapes, (0.05, 0.08, scale), zero_points, constant=0, activation=activation)


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has these kernels chosen wherever they can run, whatever they cost."""
    offers = {
        "average_pool2d_s8": average_pool2d_words, "max_pool2d_s8": max_pool2d_words, "mean_s8": mean_words,
        "mul_s8": mul_scaled,
    }  # fmt: skip
    for kernel, variant in offers.items():
        monkeypatch.setitem(listed.VARIANTS, kernel, (variant.offer,))


def by(kernel: str, graphs: Iterable[Graph]) -> list[Planned]:
    """All planned, with that kernel."""
    every = [planned(graph, target=MAC16) for graph in graphs]
    assert {kernel_of(ready) for ready in every} == {kernel}
    return every


@pytest.mark.parametrize("op", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.usefixtures("forced")
def test_pools(engine_host: EngineHost, op: str) -> None:
    kernel = {"AVERAGE_POOL_2D": "average_pool2d_s8_words", "MAX_POOL_2D": "max_pool2d_s8_words"}[op]
    same(engine_host, by(kernel, pools(op)))


@pytest.mark.usefixtures("forced")
def test_means(engine_host: EngineHost) -> None:
    same(engine_host, by("mean_s8_words", means()))


@pytest.mark.usefixtures("forced")
def test_products(engine_host: EngineHost) -> None:
    same(engine_host, by("mul_s8_scaled", products()))


@pytest.mark.parametrize(
    ("graph", "kernel"),
    [
        (pool("AVERAGE_POOL_2D", (6, 6), 6, (2, 2), 2), "average_pool2d_s8"),
        (pool("MAX_POOL_2D", (6, 6), 6, (2, 2), 2), "max_pool2d_s8"),
        (mean.case("MEAN", (1, 7, 7, 6)), "mean_s8"),
        (mean.case("SUM", (1, 7, 7, 8), scales=(0.5, 0.0001)), "mean_s8"),
        (broadcast.case("MUL", ((1, 5), (1, 5)), (0.5, 0.5, 1e-4), constant=1, activation="NONE"), "mul_s8"),
    ],
    ids=["average", "max", "mean", "sum", "product"],
)
def test_what_they_cannot_compute_is_left_to_the_plain_kernel(graph: Graph, kernel: str) -> None:
    assert kernel_of(planned(graph, target=MAC16)) == kernel


def test_without_scratch_sums_are_left_to_the_plain_kernels() -> None:
    for graph, kernel in ((mean.case("MEAN", (1, 7, 7, 8)), "mean_s8"),):
        assert kernel_of(planned(graph, target=Target(mac16=True, scratch_bytes=31))) == kernel
        assert kernel_of(planned(graph, target=Target(mac16=True, scratch_bytes=32))) == f"{kernel}_words"


POOL, MEAN = pool("AVERAGE_POOL_2D", (6, 6), 8, (2, 2), 2), mean.case("MEAN", (1, 7, 7, 8))
PRODUCT = broadcast.case("MUL", ((1, 5), (1, 5)), constant=1, activation="NONE")


@pytest.mark.parametrize(
    ("graph", "wrong"),
    [
        (POOL, [(0, 0), (0, 1025), (2, 0), (6, 128), (7, -129)]),
        (MEAN, [(0, 2), (1, 0), (2, 1), (3, 3), (5, -1), (8, 0), (8, 32)]),
        (PRODUCT, [(0, 128), (1, -129), (2, 128), (3, -129), (5, -1), (8, 0), (8, 32)]),
    ],
    ids=["pool", "mean", "product"],
)
def test_the_engine_refuses_other_parameters(
    engine_host: EngineHost, graph: Graph, wrong: Sequence[tuple[int, int]]
) -> None:
    ready = planned(graph, target=MAC16)
    (step,) = ready.plan.steps
    assert step.kernel.name.endswith(("_words", "_scaled"))

    def status(scratch_bytes: int, **changes: bytes) -> str:
        plan = replace(ready.plan, scratch_bytes=scratch_bytes, steps=(replace(step, **changes),))
        return engine_host.open(
            write_model_image(ModelImage("wrong", encode_plan(plan), write_tflite(ready.graph), b""))
        )

    scratch_bytes = ready.plan.scratch_bytes
    assert status(scratch_bytes) == "ok"
    assert scratch_bytes == 0 or status(scratch_bytes - 1) == "bad plan"
    for place, value in wrong:
        params = np.frombuffer(step.params, "<i4").copy()
        params[place] = value
        assert status(scratch_bytes, params=params.tobytes()) == "bad plan", (place, value)
    assert status(scratch_bytes, params=step.params[:-4]) == "bad plan"
