"""The plain kernels on the host: the reference's bytes around every unroll, and their shorter rounding."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_check import check
from engine_host import COMPONENTS, FLAGS, SANITIZE, EngineHost, compile_engine_host, planned
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plain_shapes import shapes

from edgeq.ops import depthwise_conv2d
from edgeq.plan import Target

INT32 = st.integers(-(2**31), 2**31 - 1)


def test_three_pixels_at_a_time(engine_host: EngineHost) -> None:
    names = {"conv2d_s8", "depthwise_conv2d_s8", "depthwise3x3_s8", "fully_connected_s8"}
    assert set(check(engine_host, shapes(), Target())) >= names


def test_two_pixels_at_a_time(tmp_path: Path) -> None:
    """As cores with few registers have it."""
    program = tmp_path / "engine_host"
    compile_engine_host(program, ("-DEQ_DOTS_PIXELS=2", *SANITIZE))
    check(EngineHost(program), shapes(), Target())


@pytest.fixture(scope="module")
def requantise(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int, int], int]:
    folder = tmp_path_factory.mktemp("numerics")
    source, library = folder / "numerics.c", folder / "numerics.so"
    source.write_text(
        '#include "eq_numerics.h"\n'
        "int32_t shorter(int32_t x, int32_t m, int32_t s) { return eq_requantise(x, m, s); }\n"
    )
    flags = [flag for flag in FLAGS if flag != "-g"]
    subprocess.run(
        ["cc", *flags, "-shared", "-fPIC", f"-I{COMPONENTS / 'eq_kernels'}", str(source), "-o", str(library)],
        check=True,
    )
    found: Callable[[int, int, int], int] = ctypes.CDLL(str(library)).shorter
    return found


@settings(max_examples=2000)
@given(INT32, st.integers(0, 2**31 - 1), st.integers(-31, 0))
@example(-(2**31), 2**31 - 1, 0)
@example(-(2**31), 2**31 - 1, -1)
@example(2**31 - 1, 2**31 - 1, -1)
@example(-(2**31), 2**31 - 1, -31)
@example(2**31 - 1, 2**31 - 1, -31)
@example(-1, 2**30, -1)
def test_requantisation_is_the_rule(requantise: Callable[[int, int, int], int], x: int, m: int, s: int) -> None:
    """numerics.md#high-mul and numerics.md#rounding-divide in whole numbers without a limit."""
    high = (x * m + 2**30) >> 31
    magnitude = (abs(high) + (1 << -s >> 1)) >> -s
    assert requantise(x, m, s) == (magnitude if high >= 0 else -magnitude)


def test_windows_of_3x3_have_a_kernel_of_their_own() -> None:
    def chosen(**more: object) -> str:
        graph = depthwise_conv2d.case(8, **more)  # type: ignore[arg-type]
        return planned(graph).plan.steps[0].kernel.name

    assert chosen() == chosen(stride=2) == "depthwise3x3_s8"
    assert chosen(stride=3) == chosen(dilation=2) == chosen(size=(3, 2)) == "depthwise_conv2d_s8"
