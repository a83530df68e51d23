"""`edgeq hil run` on the way of a real board.

ESP-IDF is a stand-in here that leaves the host's firmware, and the board behind the port a virtual one that runs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_idf import fake_idf
from hil_bench import WROVER, board, models, write_bench
from typer.testing import CliRunner

from edgeq.boards.board import load_board
from edgeq.cli import app
from edgeq.pipeline import board as boards
from edgeq.toolchain.build import build_firmware

pytestmark = pytest.mark.e2e
BOARD = load_board(WROVER)


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    idf = fake_idf(tmp_path / "idf")
    sizes = {"arena_bytes": 1 << 16, "scratch_bytes": 1 << 16, "flash_bytes": BOARD.flash_bytes}
    firmware = build_firmware("host", board=BOARD.name, out=tmp_path / "firmware", **sizes)
    (idf / "app.bin").write_bytes(firmware.app_image)
    monkeypatch.setenv("IDF_PATH", str(idf))
    monkeypatch.delenv("IDF_PYTHON_ENV_PATH", raising=False)
    models(tmp_path)
    with boards.virtual_board("host", BOARD) as virtual:
        yield virtual.url


def run(folder: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["hil", "run", str(folder / "hil.toml"), "-o", str(folder / "out"), *options])
    return done.exit_code, done.stdout


def test_two_models_one_after_the_other(tmp_path: Path, port: str) -> None:
    """Each is flashed once, into the slot that is not in use; a job that finds its own images flashes nothing."""
    write_bench(
        tmp_path,
        {"runs": 2},
        [board("desk", port=port)],
        [{"source": "one.tflite", "repeat": 2}, {"source": "other.tflite"}],
    )
    status, text = run(tmp_path, "--json")
    assert status == 0, text
    jobs = {job["job"]: job for job in json.loads(text)["jobs"]}
    assert [job["figures"]["flashed"] for job in jobs.values()] == [True, False, True]
    report = json.loads((tmp_path / "out" / "jobs" / "other" / "desk" / "native" / "report.json").read_text())
    assert {hop["name"]: hop["status"] for hop in report["ledger"]["hops"]}["native-host"] == "equal"
    assert report["flash"]["verified"]
    assert (tmp_path / "out" / "models" / "one" / f"{WROVER}-esp-idf" / "bootloader.bin").is_file()


def test_without_esp_idf_nothing_is_begun(tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDF_PATH", "/nowhere")
    write_bench(tmp_path, {}, [board("desk", port=port)], [{"source": "one.tflite"}])
    assert run(tmp_path)[0] == 5 and not (tmp_path / "out").exists()
