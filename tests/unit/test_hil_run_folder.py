"""A run seen from its folder: what goes on, what is begun anew, and what ends it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from report_example import example

from edgeq.compare.subject import subject_of
from edgeq.errors import BadInput, NotWritten, Unsupported
from edgeq.hil import prepare, run
from edgeq.hil.boards import Rack
from edgeq.hil.journal import read_events
from edgeq.hil.prepare import Unready
from edgeq.hil.settings import BenchFile, read_bench
from edgeq.hil.telling import Telling
from edgeq.hil.watcher import Unwatched
from edgeq.hil.work import Work
from edgeq.report.validate import read_report

BENCH = """
[[board]]
name = "b"
board = "esp32-wrover-b"
virtual = "host"
[[model]]
source = "m.tflite"
"""
LEFT = ("matrix.html", "junit.xml", "summary.md", "jobs/m/b/native/report.json")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchFile:
    """One job, which passes as soon as its model is ready."""
    (tmp_path / "m.tflite").touch()
    (tmp_path / "hil.toml").write_text(BENCH)

    def work(what: Work, tell: Telling) -> None:
        for job in tell.left():
            tell.decided(job, "passed", "")

    monkeypatch.setattr(run, "work", work)
    monkeypatch.setattr(run, "make_ready", lambda *given: {})
    return read_bench(tmp_path / "hil.toml")


def finish(bench: BenchFile, out: Path, *, fresh: bool = False) -> None:
    with run.run_jobs(Rack(bench), out, Unwatched(), fresh=fresh):
        for name in LEFT:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).touch()


def interrupted(bench: BenchFile, out: Path, *, fresh: bool = False) -> None:
    with pytest.raises(KeyboardInterrupt), run.run_jobs(Rack(bench), out, Unwatched(), fresh=fresh):
        raise KeyboardInterrupt


def test_pages_and_reports_of_an_older_run_are_not_those_of_a_new_one(bench: BenchFile, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(bench, out)
    assert all((out / name).exists() for name in LEFT)
    interrupted(bench, out)  # begun anew, since the other one is finished
    assert not any((out / name).exists() for name in LEFT)
    finish(bench, out)  # which goes on: nothing is taken away
    assert [event["event"] for event in read_events(out / "journal.jsonl")[0]] == [
        "run", "outcome", "resumed", "finished",
    ]  # fmt: skip
    interrupted(bench, out, fresh=True)
    assert not any((out / name).exists() for name in LEFT)


def test_what_no_run_left_is_not_taken_away(bench: BenchFile, tmp_path: Path) -> None:
    mine = tmp_path / "jobs" / "mine"
    mine.mkdir(parents=True)
    interrupted(bench, tmp_path)
    assert mine.exists()


def test_a_baseline_does_not_lie_where_the_run_writes(bench: BenchFile, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="lies where this run writes its own reports"):
        run._require_apart(tmp_path / "out", [tmp_path / "x" / ".." / "out" / "jobs" / "m" / "b" / "native"])
    run._require_apart(tmp_path / "out", [tmp_path / "good" / "m.json"])


@pytest.mark.parametrize(("board", "engine"), [("esp32-s3-devkitc", "native"), ("esp32-wrover-b", "tflm")])
def test_a_baseline_is_of_the_jobs_board_and_engine(
    bench: BenchFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: str, engine: str
) -> None:
    """Else its latency is compared with nothing, and the gate says yes."""
    subject = subject_of(read_report(json.dumps(example())))
    (run_alone,) = subject.engines
    (tmp_path / "hil.toml").write_text(BENCH + 'baseline = "base.json"\n')
    bench = read_bench(tmp_path / "hil.toml")
    jobs = run.jobs_of(bench.settings)
    (tmp_path / "base.json").touch()

    def given(board: str, engine: str) -> None:
        found = replace(subject, board=board, engines=(run_alone.model_copy(update={"engine": engine}),))
        monkeypatch.setattr(prepare, "subject_from", lambda path: found)
        prepare.read_given(bench, jobs)

    given("esp32-wrover-b", "native")
    with pytest.raises(BadInput, match=f"is of {board} with {engine}, and no baseline for m/b/native"):
        given(board, engine)


@pytest.mark.parametrize("error", [NotWritten("the disk is full"), Unsupported("no such operator")])
def test_a_full_disk_is_no_fault_of_a_model(
    bench: BenchFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BadInput
) -> None:
    """It ends the run, which then can go on; a model that cannot be made ready fails."""

    def fails(*given: object) -> None:
        raise error

    monkeypatch.setattr(prepare, "prepare_and_build", fails)
    jobs = run.jobs_of(bench.settings)
    given = prepare.read_given(bench, jobs)
    if isinstance(error, NotWritten):
        with pytest.raises(NotWritten):
            prepare.make_ready(bench, given, jobs, tmp_path / "out", Unwatched())
    else:
        (ready,) = prepare.make_ready(bench, given, jobs, tmp_path / "out", Unwatched()).values()
        assert isinstance(ready, Unready) and ready.outcome == "failed"
