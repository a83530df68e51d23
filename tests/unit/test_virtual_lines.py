"""The reset circuit, driven as tools drive it."""

from __future__ import annotations

import pytest

from edgeq.virtual.lines import RISE_S, Edge, ResetCircuit

HIGH, LOW = (False, False), (True, True)  # (DTR, RTS)
RESET, BOOT = (False, True), (True, False)


def follow(steps: list[tuple[float, tuple[bool, bool]]], end: float) -> list[Edge]:
    """The edges of a sequence of (time, lines), ticking every 10 ms until `end`."""
    circuit, edges, now = ResetCircuit(), [], 0.0
    for at, (dtr, rts) in [*steps, (end, HIGH)]:
        while now < at:
            edges.append(circuit.tick(now))
            now += 0.01
        if at < end:
            edges.append(circuit.change(dtr, rts, at))
    return [edge for edge in edges if edge]


@pytest.mark.parametrize("network_s", [0.0, 0.05, 0.1])
def test_classic_reset_enters_download_mode(network_s: float) -> None:
    # DTR off, RTS on, 0.1 s, DTR on, RTS off, 0.05 s, DTR off; each line takes a while to arrive.
    n = network_s
    steps = [(n, HIGH), (2 * n, RESET), (3 * n + 0.1, LOW), (4 * n + 0.1, BOOT), (6 * n + 0.15, HIGH)]
    assert follow(steps, 2.0) == [Edge.HOLD, Edge.DOWNLOAD]


def test_atomic_reset_enters_download_mode() -> None:
    steps = [(0, HIGH), (0.01, LOW), (0.02, RESET), (0.12, BOOT), (0.17, HIGH)]
    assert follow(steps, 2.0) == [Edge.HOLD, Edge.DOWNLOAD]


def test_hard_reset_runs() -> None:
    assert follow([(0, RESET), (0.1, HIGH)], 2.0) == [Edge.HOLD, Edge.RUN]
    assert follow([(0, RESET), (0.1, HIGH)], 0.1 + RISE_S - 0.02) == [Edge.HOLD]


def test_opening_a_port_resets_nothing() -> None:
    assert follow([(0, BOOT), (0.1, LOW), (0.5, BOOT), (0.6, HIGH)], 2.0) == []


def test_a_second_reset_starts_over() -> None:
    assert follow([(0, RESET), (0.1, HIGH), (0.2, RESET), (0.9, HIGH)], 2.0) == [Edge.HOLD, Edge.HOLD, Edge.RUN]
