"""One deploy of the model that comes with edgeq, shared by all tests and by all of their processes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from command_line import edgeq, environment, good
from graphs import every_kernel

from edgeq.convert import write_tflite


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of this test run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def cache(shared: Path) -> None:
    """Firmware is built anew, once: nothing of an earlier test run is used."""
    os.environ["XDG_CACHE_HOME"] = str(shared / "cache")


@pytest.fixture(scope="session")
def run(shared: Path, cache: None) -> Path:
    """The run folder of `edgeq deploy resnet18-digits`, made in an empty folder. Not to be written to; beside it lie
    stdout.txt and stderr.txt."""
    home = shared / "deployed"
    home.mkdir(exist_ok=True)
    with (shared / "deployed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "run" / "report.json").exists():
            done = edgeq("deploy", "resnet18-digits", "--runner", "qemu_lx6", cwd=home, env=environment())
            good(done)
            (home / "stdout.txt").write_text(done.stdout)
            (home / "stderr.txt").write_text(done.stderr)
    return home / "run"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A `.tflite` of a few kilobytes with every kernel in it."""
    file = tmp_path / "small.tflite"
    file.write_bytes(write_tflite(every_kernel()))
    return file
