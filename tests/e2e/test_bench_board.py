"""`make bench-board` as far as it goes without a board: ESP-IDF is a stand-in that leaves the emulated core's firmware,
and behind the port is a virtual board that runs it. It is flashed by an unmodified esptool, and never called measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_lx6 import MISSING
from fake_idf import fake_idf

from edgeq.boards.board import load_board
from edgeq.pipeline import board as boards
from edgeq.pipeline.progress import Quiet

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
BOARD = load_board("esp32-wrover-b-16mb")
SHAPE = "depthwise 3x3 64 25x5"


@pytest.fixture
def idf(tmp_path: Path) -> Path:
    return fake_idf(tmp_path / "idf")


def bench(idf: Path, port: str, *more: object) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(ROOT / "benchmarks" / "board_kernels.py"), "--project", str(idf.parent / "project")]
    arguments = ["--port", port, "--board", BOARD.name, *map(str, more)]
    environment = {key: value for key, value in os.environ.items() if key != "IDF_PYTHON_ENV_PATH"}
    return subprocess.run(
        [*script, *arguments], env=environment | {"IDF_PATH": str(idf)}, capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def emulated(idf: Path, tmp_path: Path) -> Iterator[str]:
    (idf / "app.bin").write_bytes(boards.build("qemu_lx6", BOARD, tmp_path / "lx6", Quiet()).app_image)
    with boards.virtual_board("qemu_lx6", BOARD) as virtual:
        yield virtual.url


@pytest.mark.emulator
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_an_emulated_core_has_instructions_and_no_cycles(idf: Path, emulated: str, tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    done = bench(idf, emulated, "--only", SHAPE, "--output", file)
    assert done.returncode == 0, done.stderr
    assert "(emulated)" in done.stdout and "measured" not in done.stdout
    table = json.loads(file.read_text())
    (row,) = table["rows"]
    (counted,) = (
        row for row in json.loads((ROOT / "benchmarks" / "kernels.json").read_text()) if row["shape"] == SHAPE
    )
    assert (table["board"], table["basis"], row["cycles"]) == (BOARD.name, "emulated", None)
    assert {key: row[key] for key in ("shape", "kernel", "macs", "scratch_bytes")} == {
        key: counted[key] for key in ("shape", "kernel", "macs", "scratch_bytes")
    }
    assert row["instructions"] == pytest.approx(counted["instructions"], rel=0.02)

    done = bench(idf, emulated, "--only", "no such shape")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_process_of_this_machine_has_no_cycles(idf: Path, tmp_path: Path) -> None:
    (idf / "app.bin").write_bytes(boards.build("host", BOARD, tmp_path / "host", Quiet()).app_image)
    with boards.virtual_board("host", BOARD) as virtual:
        done = bench(idf, virtual.url, "--only", SHAPE)
    assert done.returncode == 4
    assert "no cycles" in done.stderr and "Traceback" not in done.stderr


def test_a_port_without_a_board(idf: Path) -> None:
    done = bench(idf, "socket://127.0.0.1:1", "--only", SHAPE)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


def test_the_cycles_of_a_real_board() -> None:
    """What a real board says becomes cycles by its clock; instructions are the table's, of the same kernel alone."""
    script = """if True:
        import json, sys
        sys.path.insert(0, sys.argv[1])
        import board_kernels as b
        counted = json.loads(b.BASELINE.read_text())[0]
        rows = []
        for unit, ticks, kernel in (("us", 250.5, counted["kernel"]), ("cycles", 70_000, "another_kernel")):
            bench = b.Bench.__new__(b.Bench)
            bench._counted = {counted["shape"]: counted}
            bench.table = b.Table(board="x", firmware="", basis="", clock_hz=0, rows=[])
            row = dict(counted, kernel=kernel, instructions=None, cycles=None)
            bench._fill(row, {"kind": "real", "clock_unit": unit, "clock_hz": "240000000"}, ticks)
            rows.append([bench.table["basis"], row["cycles"], row["instructions"] == counted["instructions"]])
        print(json.dumps(rows))
    """
    done = subprocess.run([sys.executable, "-c", script, str(ROOT / "benchmarks")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["measured", 60_120, True], ["measured", 70_000, False]]
