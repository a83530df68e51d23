"""The bench that comes with edgeq."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeq.hil.jobs import jobs_of
from edgeq.hil.settings import read_bench
from edgeq.pipeline.compare import gate_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "hil"


def test_its_files_are_sound() -> None:
    bench = read_bench(EXAMPLE / "hil.toml")
    assert len(bench.settings.board) == 4 and sum(entry.place is not None for entry in bench.settings.board) == 2
    assert len(jobs_of(bench.settings)) == 4
    assert "latency" in gate_of(EXAMPLE / "gate.toml").require


@pytest.mark.e2e
@pytest.mark.slow
def test_it_ends_as_it_must() -> None:
    done = subprocess.run([sys.executable, EXAMPLE / "demo.py"], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it is as it must be" in done.stdout
