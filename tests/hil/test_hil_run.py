"""`edgeq hil` as a user has it, on virtual boards that do well, fail, die and are away."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from command_line import EDGEQ, edgeq, environment, good, refused, virtual
from hil_bench import board, cases_of, models, story_of, write_bench

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bench with every outcome in it, run once for all processes of this test run; stdout.txt beside
    it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "every-outcome"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "stdout.txt").exists():
            _run_every_outcome(folder)
    return folder


def _run_every_outcome(folder: Path) -> None:
    models(folder)
    write_bench(
        folder,
        {"name": "every outcome", "runs": 3, "retries": 1, "take_out_after": 4, "history": "history.jsonl"},
        [
            board("good"),
            board("dying", faults={"die_after": 2500}),
            board("away", usb_serial="0123456789", runner="host", optional=True),
            board("missing", usb_serial="9876543210", runner="host"),
            board("resting", quarantine="its supply is weak"),
            board("emulated", virtual="qemu_lx6"),
        ],
        [
            {"source": "one.tflite", "engines": ["native", "tflm"]},
            {"source": "other.tflite", "boards": ["good"], "top1_least": 0.9, "repeat": 2},
        ],
    )
    done = edgeq("hil", "run", "hil.toml", "-o", "out", "--json", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    (folder / "stdout.txt").write_text(done.stdout)


def test_each_job_has_its_outcome(ran: Path) -> None:
    jobs = {job["job"]: job for job in json.loads((ran / "stdout.txt").read_text())["jobs"]}
    outcomes = {name: job["outcome"] for name, job in jobs.items()}
    assert outcomes == {
        "one/good/native": "passed", "one/good/tflm": "passed",
        "one/dying/native": "infrastructure", "one/dying/tflm": "infrastructure",
        "one/away/native": "skipped", "one/away/tflm": "skipped",
        "one/missing/native": "infrastructure", "one/missing/tflm": "infrastructure",
        "one/resting/native": "skipped", "one/resting/tflm": "skipped",
        "one/emulated/native": "passed", "one/emulated/tflm": "skipped",
        "other/good/native/1": "failed", "other/good/native/2": "failed",
    }  # fmt: skip
    assert "does not answer" in jobs["one/dying/native"]["reason"]
    assert jobs["one/resting/tflm"]["reason"].endswith("its supply is weak")
    assert "no port has the USB serial number" in jobs["one/missing/native"]["reason"]
    assert "top1_least" in jobs["other/good/native/1"]["reason"]
    # Trouble is tried again, a check that says no is not.
    assert [len(jobs[name]["attempts"]) for name in ("one/dying/native", "other/good/native/1")] == [2, 1]
    assert {job: state.outcome for job, state in story_of(ran / "out").jobs.items()} == outcomes
    assert {job: outcome for job, (outcome, _) in cases_of(ran / "out").items()} == outcomes


def test_a_board_is_flashed_where_it_holds_something_else(ran: Path) -> None:
    flashed = {
        job["job"]: job["figures"].get("flashed") for job in json.loads((ran / "stdout.txt").read_text())["jobs"]
    }
    assert flashed["one/good/native"] and flashed["other/good/native/1"]
    assert flashed["one/good/tflm"] is flashed["other/good/native/2"] is False


def test_a_job_has_a_folder_with_its_report_and_console(ran: Path) -> None:
    folder = ran / "out" / "jobs" / "one" / "good" / "tflm"
    report = json.loads((folder / "report.json").read_text())
    assert (report["engine"], report["board"]["kind"], report["latency"]["n"]) == ("tflm", "host", 3)
    assert {hop["status"] for hop in report["ledger"]["hops"]} <= {"equal", "not run"}
    assert (folder / "report.html").is_file() and (folder / "console.log").is_file()
    emulated = json.loads((ran / "out" / "jobs" / "one" / "emulated" / "native" / "report.json").read_text())
    assert emulated["latency"]["unit"] == "instructions"
    assert [hop["name"] for hop in emulated["ledger"]["hops"]][-2:] == ["native-host", "native-qemu_lx6"]
    dead = ran / "out" / "jobs" / "one" / "dying" / "native"
    assert [file.name for file in dead.iterdir()] == ["console.log"]
    assert b"on esp32-wrover-b" in (dead / "console.log").read_bytes()


def test_the_page_and_the_summary(ran: Path) -> None:
    page, summary = ((ran / "out" / name).read_text() for name in ("matrix.html", "summary.md"))
    for text in (page, summary):
        assert "3 passed, 2 failed, 4 infrastructure, 5 skipped of 14 jobs" in text
    assert 'href="jobs/one/good/native/report.html"' in page and "its supply is weak" in page


def test_what_was_measured_is_in_the_history(ran: Path) -> None:
    lines = [json.loads(line) for line in (ran / "history.jsonl").read_text().splitlines()]
    assert [(line["label"], line["engine"], line["basis"]) for line in lines] == [
        *(("good", "native", "host"), ("emulated", "native", "emulated"), ("good", "tflm", "host")),
        ("good", "native", "host"),
    ]


def test_list_and_doctor(ran: Path) -> None:
    states = {state["name"]: state for state in json.loads(good(edgeq("hil", "list", "hil.toml", "--json", cwd=ran)))}
    assert [states[name]["present"] for name in ("good", "away", "missing")] == [True, False, False]
    assert "its supply is weak" in states["resting"]["note"]
    assert "made for each run" in good(edgeq("hil", "list", "hil.toml", cwd=ran))
    done = edgeq("hil", "doctor", "hil.toml", cwd=ran)
    refused(done, 4, "board missing, port")
    assert "it is optional" in done.stdout


def test_a_board_behind_a_port(tmp_path: Path) -> None:
    """Locked, listed, flashed once; the second run finds everything on it, and a port without a board says so."""
    models(tmp_path)
    with virtual("--runner", "host", cwd=tmp_path) as url:
        write_bench(tmp_path, {"runs": 2}, [board("b", port=url, runner="host")], [{"source": "one.tflite"}])
        for flashed in (True, False):
            told = json.loads(good(edgeq("hil", "run", "hil.toml", "--json", cwd=tmp_path)))
            assert told["jobs"][0]["figures"]["flashed"] is flashed
        (state,) = json.loads(good(edgeq("hil", "list", "hil.toml", "--json", cwd=tmp_path)))
        assert state["holds"].startswith("one, firmware ") and not state["holder"]
        assert "chip 02:ed:9e" in good(edgeq("hil", "doctor", "hil.toml", cwd=tmp_path))
    refused(edgeq("hil", "doctor", "hil.toml", cwd=tmp_path), 4, "board b, port", "nothing listens")


def test_the_gate_says_no_and_why(ran: Path, tmp_path: Path) -> None:
    models(tmp_path)
    baseline = json.loads((ran / "out" / "jobs" / "one" / "good" / "native" / "report.json").read_text())
    baseline["sizes"]["image_bytes"] -= 200
    (tmp_path / "one-host.json").write_text(json.dumps(baseline))
    (tmp_path / "gate.toml").write_text(
        "[sizes]\nmodel_percent = 1.0\n[latency]\ntotal_percent = inf\nlayer_percent = inf\n"
    )
    write_bench(
        tmp_path,
        {"runs": 2, "gate": "gate.toml"},
        [board("b")],
        [{"source": "one.tflite", "baseline": "one-host.json"}],
    )
    done = edgeq("hil", "run", "hil.toml", cwd=tmp_path)
    refused(done, 1, "model in flash +")
    baseline["sizes"]["image_bytes"] += 200
    baseline["board"]["kind"] = baseline["latency"]["basis"] = "emulated"
    baseline["latency"]["unit"] = "instructions"
    (tmp_path / "one-host.json").write_text(json.dumps(baseline))
    (job,) = json.loads(good(edgeq("hil", "run", "hil.toml", "--json", cwd=tmp_path)))["jobs"]
    assert job["reason"].startswith("latency not compared: another basis")
    (tmp_path / "one-host.json").unlink()
    refused(edgeq("hil", "run", "hil.toml", cwd=tmp_path), 2, "one-host.json", "there is no such file")


def test_jobs_of_a_dead_board_go_to_one_of_its_kind(tmp_path: Path) -> None:
    models(tmp_path)
    write_bench(
        tmp_path,
        {"runs": 2, "retries": 0, "take_out_after": 1, "substitute": True},
        [board("dying", faults={"die_after": 2500}), board("well")],
        [{"source": "one.tflite", "repeat": 3}],
    )
    told = json.loads(good(edgeq("hil", "run", "hil.toml", "--json", cwd=tmp_path)))
    assert {job["outcome"] for job in told["jobs"]} == {"passed"}
    moved = [job for job in told["jobs"] if job["board"] == "dying"]
    assert len(moved) == 3 and {job["attempts"][-1]["board"] for job in moved} == {"well"}
    assert "on another board" in (tmp_path / "hil-run" / "matrix.html").read_text()


def test_an_interrupt_leaves_a_run_to_go_on_with(tmp_path: Path) -> None:
    models(tmp_path)
    write_bench(tmp_path, {"runs": 2}, [board("b")], [{"source": "one.tflite", "repeat": 12}])
    command = [*EDGEQ, "hil", "run", "hil.toml", "-o", "out", "--json"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    runner = subprocess.Popen(command, cwd=tmp_path, env=environment(), text=True, **streams)
    try:
        assert runner.stderr is not None
        while " passed" not in runner.stderr.readline():
            assert runner.poll() is None
        refused(edgeq("hil", "run", "hil.toml", "-o", "out", cwd=tmp_path), 4, "is in use by process", str(runner.pid))
        runner.send_signal(signal.SIGINT)
        said, aside = runner.communicate(timeout=120)
        assert "interrupted" in aside and runner.returncode == 130
        assert json.loads(said)["error"]["exit_code"] == 130
    finally:
        runner.kill()
        runner.wait()
    before = {job for job, state in story_of(tmp_path / "out").jobs.items() if state.outcome}
    assert 0 < len(before) < 12 and not (tmp_path / "out" / "matrix.html").exists()
    written = {job: (tmp_path / "out" / "jobs" / job / "report.json").stat().st_mtime_ns for job in before}

    (tmp_path / "other.toml").write_text((tmp_path / "hil.toml").read_text() + "\n# changed\n")
    refused(
        edgeq("hil", "run", "other.toml", "-o", "out", cwd=tmp_path), 2, "unfinished run of another bench", "--fresh"
    )
    good(edgeq("hil", "run", "hil.toml", "-o", "out", cwd=tmp_path))
    story = story_of(tmp_path / "out")
    assert {state.outcome for state in story.jobs.values()} == {"passed"} and story.resumed == 1
    assert all(
        (tmp_path / "out" / "jobs" / job / "report.json").stat().st_mtime_ns == at for job, at in written.items()
    )


def test_what_cannot_be_begun(tmp_path: Path) -> None:
    models(tmp_path)
    refused(edgeq("hil", "run", "hil.toml", cwd=tmp_path), 2, "there is no such file")
    write_bench(tmp_path, {}, [board("b")], [{"source": "absent.tflite"}])
    refused(edgeq("hil", "run", "hil.toml", cwd=tmp_path), 2, "absent.tflite", "the zoo has")
    write_bench(tmp_path, {}, [board("b", board="esp33")], [{"source": "one.tflite"}])
    refused(edgeq("hil", "run", "hil.toml", cwd=tmp_path), 2, "esp33")
    assert not (tmp_path / "hil-run").exists()
    (tmp_path / "bad.tflite").write_bytes(b"nonsense")
    write_bench(tmp_path, {}, [board("b")], [{"source": "bad.tflite"}])
    refused(edgeq("hil", "run", "hil.toml", cwd=tmp_path), 1, "could not be made ready")
