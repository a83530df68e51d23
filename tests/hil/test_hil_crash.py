"""Hundreds of jobs on boards that die, and a runner that is killed: each job has one outcome, and all files say so."""

from __future__ import annotations

import re
import signal
import subprocess
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest
from command_line import EDGEQ, environment
from hil_bench import board, cases_of, models, story_of, write_bench

from edgeq.hil.journal import read_events

pytestmark = pytest.mark.e2e
LIMIT_S = 1500


def ended(out: Path) -> int:
    journal = out / "journal.jsonl"
    return sum(event["event"] == "ended" for event in read_events(journal)[0]) if journal.exists() else 0


def alive(mark: str) -> list[str]:
    """The processes that have that mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("boards", "repeats"),
    [
        pytest.param(4, (12, 6), id="60 jobs, 4 boards"),
        pytest.param(8, (50, 25), id="500 jobs, 8 boards", marks=pytest.mark.slow),
    ],
)
def test_no_job_is_lost_or_done_twice_unnoticed(tmp_path: Path, boards: int, repeats: tuple[int, int]) -> None:
    models(tmp_path)
    names = [f"b{i}" for i in range(boards)]
    write_bench(
        tmp_path,
        {"name": "crash", "runs": 2, "retries": 3, "take_out_after": 5},
        [board(name, faults={"die": 0.06, "seed": seed}) for seed, name in enumerate(names)],
        [
            {"source": "one.tflite", "repeat": repeats[0]},
            {"source": "other.tflite", "repeat": repeats[1], "boards": names[: boards // 2], "engines": ["native"]},
        ],
    )
    jobs = boards * repeats[0] + boards // 2 * repeats[1]
    out, mark = tmp_path / "out", f"EDGEQ_TEST_MARK={uuid.uuid4().hex}"
    env = environment(**dict([mark.split("=")]))
    command = [*EDGEQ, "hil", "run", "hil.toml", "-o", "out"]

    runner = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + LIMIT_S
        while ended(out) < jobs // 3:
            assert runner.poll() is None and time.monotonic() < end_s
            time.sleep(0.05)
    finally:
        runner.send_signal(signal.SIGKILL)
        runner.wait()
    torn = (out / "journal.jsonl").read_bytes() + b'{"event": "beg'  # as if it was killed while it wrote
    (out / "journal.jsonl").write_bytes(torn)
    killed = read_events(out / "journal.jsonl")[0]
    begun, done = ({e["job"] for e in killed if e["event"] == kind} for kind in ("begun", "ended"))
    under_way = Counter(e["job"] for e in killed if e["event"] == "begun")
    under_way.subtract(Counter(e["job"] for e in killed if e["event"] == "ended"))
    cut = {job for job, count in under_way.items() if count}
    assert cut and done and begun > done - cut

    again = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    assert again.returncode in (0, 4), again.stdout + again.stderr
    assert "going on with an unfinished run" in again.stderr and f"{len(cut)} cut in the middle" in again.stderr
    end_s = time.monotonic() + 60
    while left := alive(mark):
        assert time.monotonic() < end_s, left
        time.sleep(0.1)

    events, story = read_events(out / "journal.jsonl")[0], story_of(out)
    assert events[: len(killed)] == killed and story.finished and story.resumed == 1
    assert len(story.jobs) == jobs and all(state.outcome for state in story.jobs.values())
    decided = Counter(e["job"] for e in events if e["event"] == "outcome" or e.get("result") in ("passed", "failed"))
    assert set(decided) == set(story.jobs) and set(decided.values()) == {1}
    for job, state in story.jobs.items():  # only trouble or the kill made for another attempt, and that is on record
        *before, last = state.attempts
        assert {attempt.result for attempt in before} <= {"infrastructure", "cut"}
        assert last.result == state.outcome
        assert [attempt.result for attempt in state.attempts].count("cut") == (job in cut)
    assert sum(len(state.attempts) for state in story.jobs.values()) > jobs + len(cut)  # boards did die
    outcomes = Counter(state.outcome for state in story.jobs.values())
    assert outcomes["passed"] > 0.9 * jobs and not outcomes["failed"] and not outcomes["skipped"]

    cases = cases_of(out)
    assert {job: outcome for job, (outcome, _) in cases.items()} == {j: s.outcome for j, s in story.jobs.items()}
    assert {job for job, (_, properties) in cases.items() if properties["cut"] != "0"} == cut
    assert all(properties["attempts"] == str(len(story.jobs[job].attempts)) for job, (_, properties) in cases.items())
    page = (out / "matrix.html").read_text()
    tiles = dict(re.findall(r'<div class="tile"><b[^>]*>([\d,]+)</b><small>(\w+)</small>', page))
    assert {name: int(count.replace(",", "")) for count, name in tiles.items()}["passed"] == outcomes["passed"]
    assert "resumed 1 time" in page and all(job in page for job in cut) and "cut" in page
    reports = [job for job in story.jobs if (out / "jobs" / job / "report.json").is_file()]
    assert len(reports) == outcomes["passed"]
