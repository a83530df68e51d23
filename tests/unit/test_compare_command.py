"""`edgeq compare` as a user has it: files, streams, exit codes, and what it does by itself in a GitHub job."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_line import EDGEQ, LIMIT_S, edgeq, environment, good, refused
from report_example import bench_example, example


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with two runs: `base/`, and `new/`, whose conv1 is 5 % slower."""
    _write(tmp_path / "base/report.json", example())
    data = example()
    layer = data["latency"]["layers"][1]
    layer["value"] = round(layer["value"] * 1.05)
    _write(tmp_path / "new/report.json", data)
    return tmp_path


def _write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data))


def test_a_run_beside_itself_is_good(home: Path) -> None:
    said = good(edgeq("compare", "base", "base/report.json", cwd=home))
    assert "Nothing is worse than the gate allows" in said and "emulated" in said and "::" not in said


def test_what_fails_is_written_before_the_exit_code(home: Path) -> None:
    done = edgeq("compare", "base", "new", "--markdown", "out/c.md", "--junit", "out/j.xml", "--annotations", cwd=home)
    refused(done, 1, "Worse than the gate allows: layer conv1 +5.00 %")
    assert "conv1" in done.stdout and "::error title=edgeq%3A layer conv1::" in done.stdout
    assert "conv1" in (home / "out/c.md").read_text() and "<failure" in (home / "out/j.xml").read_text()


def test_a_gate_file_decides(home: Path) -> None:
    (home / "gate.toml").write_text("[latency]\nlayer_percent = 6\n")
    good(edgeq("compare", "base", "new", "--gate", "gate.toml", cwd=home))
    (home / "gate.toml").write_text("[latency]\nlayer_percnt = 6\n")
    done = edgeq("compare", "base", "new", "--gate", "gate.toml", "--markdown", "c.md", cwd=home)
    refused(done, 2, "gate.toml", "latency.layer_percnt", "latency.layer_percent, perhaps?")
    assert not (home / "c.md").exists()


def test_a_github_job_gets_annotations_and_a_summary_by_itself(home: Path) -> None:
    (home / "summary.md").write_text("# before\n")
    env = environment(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(home / "summary.md"))
    done = edgeq("compare", "base", "new", "--json", cwd=home, env=env)
    refused(done, 1, "::error title=edgeq%3A layer conv1::")
    assert json.loads(done.stdout)["passed"] is False
    summary = (home / "summary.md").read_text()
    assert summary.startswith("# before\n") and "Worse than the gate allows" in summary


def test_a_bench_is_read_too(home: Path) -> None:
    data = bench_example() | {"equality": []}
    _write(home / "bench.json", data)
    good(edgeq("compare", "bench.json", "bench.json", cwd=home))


def test_nothing_to_hold_is_an_error_unless_allowed(home: Path) -> None:
    (home / "gate.toml").write_text('require = ["latency"]\n[latency]\ntotal_percent = inf\n')
    done = edgeq("compare", "base", "base", "--gate", "gate.toml", "--junit", "j.xml", cwd=home)
    refused(done, 2, "requires latency")
    assert "<error" in (home / "j.xml").read_text()


@pytest.mark.parametrize(
    ("text", "word"),
    [("{", "not JSON"), ("[]", "not of type"), ('{"kind": "bench"}', "required"), ('{"kind": ["bench"]}', "required")],
)
def test_what_is_no_report_is_refused(home: Path, text: str, word: str) -> None:
    (home / "wrong.json").write_text(text)
    refused(edgeq("compare", "base", "wrong.json", cwd=home), 2, "wrong.json", word)


def test_what_is_not_there_is_said(home: Path) -> None:
    refused(edgeq("compare", "base", "nowhere", cwd=home), 2, "nowhere", "no such file")
    (home / "empty").mkdir()
    refused(edgeq("compare", "empty", "base", cwd=home), 2, "empty/report.json", "no such file")
    refused(edgeq("compare", "base", "base", "--gate", "none.toml", cwd=home), 2, "none.toml")


def test_what_never_ends_is_not_read_to_its_end(home: Path) -> None:
    refused(edgeq("compare", "base", "/dev/zero", cwd=home), 2, "/dev/zero", "too large")
    refused(edgeq("compare", "base", "base", "--gate", "/dev/zero", cwd=home), 2, "/dev/zero", "too large")


def test_a_stream_is_written_to_and_no_file_takes_its_place(home: Path) -> None:
    (home / "out").symlink_to("/proc/self/fd/1")  # as /dev/stdout is
    done = edgeq("compare", "base", "base", "--markdown", "out", cwd=home)
    assert "### ✅" in good(done) and (home / "out").is_symlink()


def test_a_stdout_that_is_full_is_no_fault(home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*EDGEQ, "compare", "base", "base"], cwd=home, env=environment(), stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    assert done.returncode == 2 and "no space left" in done.stderr and "fault in edgeq" not in done.stderr
