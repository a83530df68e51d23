"""What a run of a bench shows on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edgeq.cli import bench_bars, console
from edgeq.hil.jobs import Job

JOB = Job("m\x1b[2J", "b1", "native")


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    text = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=text, force_terminal=terminal, width=100, highlight=False))
    with bench_bars.watching() as watcher:
        with watcher.preparing("m for a board") as progress:
            progress.step("quantise")
            progress.update(0.5, "half")
        watcher.board("b1", JOB).step("flash")
        watcher.note("board b2 is taken out: \x1b[2J")
        watcher.ended(JOB, "failed", "a hop differs", 1, 2)
        watcher.ended(JOB, "passed", "", 2, 2)
    return text.getvalue()


def test_a_line_for_each_thing_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=False)
    assert "\x1b" not in text
    *_, failed, passed = text.splitlines()
    assert text.startswith("making ready m for a board\n") and "note: board b2 is taken out" in text
    assert failed.startswith("1/2 ✗ m\\x1b[2J/b1/native failed: a hop differs") and passed.endswith("passed")


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True)
    assert "\x1b[2J" not in text
    for said in ("making ready m for a board", "board b2 is taken out", "failed: a hop differs", "2 of 2"):
        assert said in text
