"""A board's clock: the core's 32-bit counter and a timer of microseconds become cycles that never come round."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.bundled import bundled

MAIN = bundled("firmware") / "main"
Clock = Callable[[int, int], int]
HALF_A_ROUND_US = (1 << 31) // 240  # about 9 s at 240 MHz


class Cycles(ctypes.Structure):
    _fields_ = [("total", ctypes.c_uint64), ("us", ctypes.c_uint64), ("count", ctypes.c_uint32)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    made = tmp_path_factory.mktemp("cycles") / "cycles.so"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-shared", "-fPIC", str(MAIN / "cycles.c"), "-o", str(made)], check=True)
    library = ctypes.CDLL(str(made))
    library.cycles_at.restype = ctypes.c_uint64
    library.cycles_at.argtypes = [ctypes.POINTER(Cycles), ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint32]
    return library


def clock(library: ctypes.CDLL, mhz: int) -> Clock:
    """Of the core's true cycles and by how many microseconds the timer is off: the clock's reading."""
    state = Cycles()

    def read(true: int, off_us: int) -> int:
        us = max(true // mhz + off_us, 0)
        found: int = library.cycles_at(ctypes.byref(state), true & 0xFFFFFFFF, us, mhz)
        return found

    return read


@given(
    mhz=st.sampled_from([40, 80, 160, 240]),
    # pauses from nothing to months, and around whole and half rounds of the counter
    pauses=st.lists(
        st.one_of(
            st.integers(0, 5000),
            st.integers(0, 1 << 50),
            st.builds(lambda n, more: max((n << 31) + more, 0), st.integers(0, 64), st.integers(-1000, 1000)),
        ),
        min_size=1,
        max_size=20,
    ),
    off=st.integers(-2000, 2000),
)
def test_every_span_is_exact(library: ctypes.CDLL, mhz: int, pauses: list[int], off: int) -> None:
    """However long the pause between two readings, and though the timer is read milliseconds too early or too late."""
    read, true = clock(library, mhz), 12345
    first = read(true, 0) - true
    for i, pause in enumerate(pauses):
        true += pause
        assert read(true, off if i % 2 else 0) == true + first


def test_a_reading_may_lie_far_behind_the_start(library: ctypes.CDLL) -> None:
    """The counter runs from reset on, with another clock at first, and the timer starts later."""
    for counted in (0, 1, 240 * HALF_A_ROUND_US, (1 << 32) - 1):
        state = Cycles()
        first = library.cycles_at(ctypes.byref(state), counted, 300_000, 240)
        second = library.cycles_at(ctypes.byref(state), (counted + 1000) & 0xFFFFFFFF, 300_004, 240)
        assert (second - first) % (1 << 64) == 1000


@pytest.mark.parametrize("off_us", [-HALF_A_ROUND_US + 10, HALF_A_ROUND_US - 10])
def test_the_timer_may_be_off_by_almost_half_a_round(library: ctypes.CDLL, off_us: int) -> None:
    read = clock(library, 240)
    start = read(100 << 32, 0)
    assert read(107 << 32, off_us) - start == 7 << 32
