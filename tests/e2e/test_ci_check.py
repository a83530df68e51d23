"""The script of edgeq's action with edgeq itself: a repository's model, compared with the commit before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import environment

pytestmark = [pytest.mark.e2e, pytest.mark.emulator]

CHECK = Path(__file__).parents[2] / "edgeq" / "ci" / "scripts" / "check.sh"


def test_a_model_that_stays_as_it_is(tmp_path: Path, small: Path) -> None:
    team = tmp_path / "team"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "edgeq").write_text(f'#!/bin/bash\nexec "{sys.executable}" -m edgeq "$@"\n')
    (tmp_path / "bin" / "edgeq").chmod(0o755)
    git = ["git", "-C", str(team), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    team.mkdir()
    subprocess.run([*git, "init", "-q"], check=True)
    (team / "net.tflite").write_bytes(small.read_bytes())
    for message in ("a model", "nothing"):
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", message], check=True)
    env = environment(
        PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}", EDGEQ_MODEL="net.tflite", EDGEQ_BOARD="esp32-wrover-b",
        EDGEQ_RUNNER="qemu_lx6", EDGEQ_ENGINE="native", EDGEQ_OUTPUT="out", EDGEQ_BASE_REVISION="HEAD^1",
        EDGEQ_HISTORY="history/history.jsonl",
        GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(tmp_path / "output"), GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
    )  # fmt: skip
    done = subprocess.run(["bash", CHECK], cwd=team, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr

    told = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert told["passed"] == "true" and told["basis"] == "emulated" and float(told["latency"]) > 0
    suite = ElementTree.parse(team / "out" / "compare.xml").getroot()  # noqa: S314  # our own
    assert int(suite.get("tests", 0)) > 5 and suite.get("failures") == suite.get("errors") == "0"
    comparison = (team / "out" / "compare.md").read_text()
    assert "net" in comparison and comparison in (tmp_path / "summary").read_text()
    assert (team / "history" / "history.jsonl").read_text().count("\n") == 1
    assert "<svg" in (team / "out" / "trend.html").read_text()
