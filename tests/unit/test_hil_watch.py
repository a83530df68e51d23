"""A console with an end: its deadline, a stop, and the limits that a plan gives."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeq.errors import BoardTrouble
from edgeq.hil.limits import limits
from edgeq.hil.watch import Stopped, Watched
from edgeq.link.transport import FakeTransport


def watched(limit_s: float, stop: threading.Event) -> tuple[Watched, FakeTransport]:
    console = FakeTransport(lambda data: b"ok")
    return Watched(console, limit_s, stop, console.clock), console


def test_it_hands_on_what_comes_and_ends_at_its_deadline() -> None:
    console, under = watched(10.0, threading.Event())
    console.write(b"x")
    assert console.read(5.0) == b"ok" and under.clock() == 0.0
    assert console.read(5.0) == b"" and under.clock() == pytest.approx(5.0)
    with pytest.raises(BoardTrouble, match="has not ended in 10 s"):
        console.read(60.0)
    assert under.clock() < 11.0
    with pytest.raises(BoardTrouble):
        console.write(b"x")
    console.close()
    assert under.closed


def test_a_stop_is_heard_while_it_waits() -> None:
    stop = threading.Event()
    console, under = watched(1000.0, stop)
    under.read = lambda timeout_s: stop.set() or b""  # type: ignore[func-returns-value,method-assign]
    with pytest.raises(Stopped):
        console.read(600.0)


def built(macs: int, runner: str | None = "host", clock_hz: int = 240_000_000) -> Any:
    """What `limits` reads of a `Built`: two steps of so many MACs, 16 inputs of 192 bytes."""
    steps = [SimpleNamespace(macs=macs, output=0), SimpleNamespace(macs=0, output=0)]
    plan = SimpleNamespace(steps=steps, tensors=[SimpleNamespace(bytes=100)])
    target = SimpleNamespace(runner=runner, board=SimpleNamespace(clock_hz=clock_hz))
    return SimpleNamespace(prepared=SimpleNamespace(plan=plan, inputs=np.zeros((16, 192), np.int8)), target=target)


def test_limits_grow_with_work_runs_and_factor_and_shrink_with_speed() -> None:
    base = limits(built(10**7), "native", 10, 3.0)
    assert limits(built(10**8), "native", 10, 3.0).job_s > base.job_s
    assert limits(built(10**8), "native", 10, 3.0).step_s > base.step_s
    assert limits(built(10**7), "native", 1000, 3.0).job_s > base.job_s
    assert limits(built(10**7), "tflm", 10, 3.0).step_s > base.step_s
    assert limits(built(10**7), "native", 10, 6.0).job_s > base.job_s
    assert limits(built(10**7, "qemu_lx6"), "native", 10, 3.0).job_s > base.job_s
    slow = limits(built(10**7, None, 80_000_000), "native", 10, 3.0)
    assert slow.job_s > limits(built(10**7, None), "native", 10, 3.0).job_s
    assert base.patience().step_s == base.step_s and replace(base, step_s=1).patience().step_s == 1


def test_what_was_counted_is_far_below_the_limit() -> None:
    """ResNet-18 at 28.8 million MAC takes 23.6 million instructions: 0.1 s at one a cycle, 4 s in a job of 43."""
    allowed = limits(built(28_800_000, None), "native", 10, 1.0)
    assert 10 * 4 < allowed.job_s < 900
