"""What a board's thread makes of attempts: again after trouble, never after a check, and a board is left in time."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgeq.errors import BoardTrouble
from edgeq.hil import work as work_room
from edgeq.hil.attempt import Ask, Verdict
from edgeq.hil.boards import NotThere
from edgeq.hil.jobs import Job, jobs_of, kind_of
from edgeq.hil.journal import Journal, Story, read_events, replay
from edgeq.hil.places import Borrowed
from edgeq.hil.prepare import Given
from edgeq.hil.settings import BenchFile, Settings
from edgeq.hil.telling import Telling
from edgeq.hil.watch import Stopped
from edgeq.hil.watcher import Unwatched
from edgeq.hil.work import Work, work
from edgeq.pipeline.build_for import Built

Answer = Callable[[Job, int], Verdict]  # of a job and the number of its attempt
PASSED, FAILED = Verdict("passed", "", {}), Verdict("failed", "a hop differs", {})


class Bench:
    """Boards that answer as a test says, and what became of the jobs."""

    def __init__(self, folder: Path, answer: Answer, **bench: Any) -> None:
        boards = [{"name": name, "board": "esp32-wrover-b", "virtual": "host"} for name in ("a", "b")]
        boards[1]["optional"] = True  # type: ignore[assignment]
        models = [{"source": "m.tflite", "repeat": 4}]
        table = {"bench": {"retries": 2, "take_out_after": 10, **bench}, "board": boards, "model": models}
        self.file = BenchFile(Settings.model_validate(table), folder / "hil.toml", b"")
        self.jobs = jobs_of(self.file.settings)
        self.power: list[str] = []
        self.lost = ""
        self.closed: dict[str, Exception] = {}
        self._answer = answer
        self._counts: dict[str, int] = {}
        self._folder = folder

    @contextlib.contextmanager
    def open(self, entry: Any, say: object, stopped: object) -> Iterator[Borrowed]:
        if entry.name in self.closed:
            raise self.closed[entry.name]
        yield Borrowed("port", lambda: self.power.append(entry.name), lambda: self.lost)

    def attempt(self, ask: Ask, port: str, stop: threading.Event, progress: object) -> Verdict:
        self._counts[ask.job.id] = self._counts.get(ask.job.id, 0) + 1
        return self._answer(ask.job, self._counts[ask.job.id])

    def run(self, monkeypatch: pytest.MonkeyPatch) -> Story:
        monkeypatch.setattr(work_room, "attempt", self.attempt)
        rack = SimpleNamespace(bench=self.file, open=self.open)
        built = object.__new__(Built)
        ready = {(job.model, kind_of(self.file.board(job.board))): built for job in self.jobs}
        given = Given({}, None, {}, "")  # type: ignore[arg-type]
        with Journal.begin(self._folder / "journal.jsonl", "x", [job.id for job in self.jobs]) as journal:
            work(Work(rack, self._folder, given, ready), Telling(journal, self.jobs, Unwatched()))  # type: ignore[arg-type]
            return journal.story


def outcomes(story: Story, board: str) -> list[str | None]:
    return [state.outcome for job, state in story.jobs.items() if f"/{board}/" in job]


def test_trouble_is_tried_again_with_the_power_switch_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(job: Job, number: int) -> Verdict:
        if job.board == "a" and job.number == 1 and number < 3:
            raise BoardTrouble("no answer")
        return PASSED

    bench = Bench(tmp_path, answer)
    story = bench.run(monkeypatch)
    assert [a.result for a in story.jobs["m/a/native/1"].attempts] == ["infrastructure", "infrastructure", "passed"]
    assert bench.power == ["a", "a"] and set(outcomes(story, "a")) == {"passed"}


def test_a_check_that_says_no_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Bench(tmp_path, lambda job, number: FAILED).run(monkeypatch)
    assert set(outcomes(story, "a")) == {"failed"}
    assert all(len(state.attempts) == 1 for state in story.jobs.values())


def test_all_attempts_in_trouble_are_infrastructure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(job: Job, number: int) -> Verdict:
        if job.board == "a" and job.number == 2:
            raise BoardTrouble("no answer")
        return PASSED

    story = Bench(tmp_path, answer).run(monkeypatch)
    assert outcomes(story, "a") == ["passed", "infrastructure", "passed", "passed"] and not story.out
    assert len(story.jobs["m/a/native/2"].attempts) == 3


def dead(job: Job, number: int) -> Verdict:
    if job.board == "a":
        raise BoardTrouble("no answer")
    return PASSED


def test_a_board_in_trouble_again_and_again_is_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Bench(tmp_path, dead, take_out_after=4).run(monkeypatch)
    assert set(outcomes(story, "a")) == {"infrastructure"} and set(outcomes(story, "b")) == {"passed"}
    assert sum(len(state.attempts) for job, state in story.jobs.items() if "/a/" in job) == 4
    assert "4 attempts in a row ended in trouble, the last: no answer" in story.out["a"]


def test_with_substitute_its_jobs_go_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(job: Job, number: int) -> Verdict:
        if job.board == "a" and number == 1 and job.number == 1:
            raise BoardTrouble("no answer")
        return PASSED

    story = Bench(tmp_path, answer, take_out_after=1, substitute=True).run(monkeypatch)
    assert {state.outcome for state in story.jobs.values()} == {"passed"}
    assert [a.board for a in story.jobs["m/a/native/1"].attempts] == ["a", "b"]


def test_a_board_that_is_not_ours_any_more_is_left_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found meanwhile is worth nothing, and nobody cycles its power."""
    bench = Bench(tmp_path, lambda job, number: PASSED)
    bench.lost = "somebody took the place away"
    story = bench.run(monkeypatch)
    assert {state.outcome for state in story.jobs.values()} == {"infrastructure"} and not bench.power
    assert sum(len(state.attempts) for state in story.jobs.values()) == 2
    assert set(story.out.values()) == {"somebody took the place away"}


def test_boards_that_do_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, lambda job, number: PASSED)
    bench.closed = {"a": NotThere("not plugged in"), "b": NotThere("not plugged in")}  # b is optional
    story = bench.run(monkeypatch)
    assert set(outcomes(story, "a")) == {"infrastructure"} and set(outcomes(story, "b")) == {"skipped"}


def test_a_fault_ends_the_run_and_leaves_the_rest_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(job: Job, number: int) -> Verdict:
        if job.board == "a" and job.number == 3:
            raise ZeroDivisionError
        return PASSED

    bench = Bench(tmp_path, answer)
    with pytest.raises(ZeroDivisionError):
        bench.run(monkeypatch)
    with Journal.resume(tmp_path / "journal.jsonl") as journal:
        assert journal.story.jobs["m/a/native/3"].attempts[-1].result == "cut"
        assert journal.story.jobs["m/a/native/4"].outcome is None


def test_an_interrupt_waits_until_each_board_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a board takes its time, as in a power hook; what it was at is on record as cut."""
    monkeypatch.setattr(work_room, "_PATIENCE_S", 0.1)
    notes: list[str] = []
    monkeypatch.setattr(Unwatched, "note", lambda self, text: notes.append(text))
    bench = Bench(tmp_path, lambda job, number: PASSED)

    def attempt(ask: Ask, port: str, stop: threading.Event, progress: object) -> Verdict:
        if ask.job.board == "b":
            return PASSED
        os.kill(os.getpid(), signal.SIGINT)
        stop.wait(60)
        end_s = time.monotonic() + 60
        while not notes and time.monotonic() < end_s:
            time.sleep(0.01)
        raise Stopped

    bench.attempt = attempt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.run(monkeypatch)
    assert notes == ["interrupted; a: giving the board back (once more: leave at once)"]
    attempts = replay(read_events(tmp_path / "journal.jsonl")[0]).jobs["m/a/native/1"].attempts
    assert [attempt.result for attempt in attempts] == ["cut"]


def test_trouble_while_the_run_is_stopped_is_no_boards_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt at the keyboard ends esptool, too."""
    bench = Bench(tmp_path, lambda job, number: PASSED)

    def attempt(ask: Ask, port: str, stop: threading.Event, progress: object) -> Verdict:
        if ask.job.board == "b":
            raise KeyboardInterrupt
        stop.wait(60)
        raise BoardTrouble("esptool was killed")

    bench.attempt = attempt  # type: ignore[method-assign]
    with pytest.raises((KeyboardInterrupt, Stopped)):
        bench.run(monkeypatch)
    with Journal.resume(tmp_path / "journal.jsonl") as journal:
        state = journal.story.jobs["m/a/native/1"]
        assert [a.result for a in state.attempts] == ["cut"] and state.outcome is None
