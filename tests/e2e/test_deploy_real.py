"""`edgeq deploy --port`, the way of a real board.

ESP-IDF is a stand-in here that leaves the host's firmware, and the board behind the port a virtual one that runs it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_idf import fake_idf
from typer.testing import CliRunner

from edgeq.boards.board import load_board
from edgeq.cli import app
from edgeq.convert.tflite import write_tflite
from edgeq.ops import conv2d
from edgeq.pipeline import board as boards
from edgeq.toolchain.build import build_firmware

pytestmark = pytest.mark.e2e
BOARD = load_board("esp32-wrover-b")


@pytest.fixture(scope="module")
def host_app(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    sizes = {"arena_bytes": 1 << 16, "scratch_bytes": 1 << 16, "flash_bytes": BOARD.flash_bytes}
    return build_firmware("host", board=BOARD.name, out=tmp_path_factory.mktemp("host"), **sizes).app_image


@pytest.fixture
def port(tmp_path: Path, host_app: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    idf = fake_idf(tmp_path / "idf")
    (idf / "app.bin").write_bytes(host_app)
    monkeypatch.setenv("IDF_PATH", str(idf))
    monkeypatch.delenv("IDF_PYTHON_ENV_PATH", raising=False)
    (tmp_path / "one-step.tflite").write_bytes(write_tflite(conv2d.case((1, 9, 8, 3), 5, (3, 3), stride=(2, 2))))
    with boards.virtual_board("host", BOARD) as virtual:
        yield virtual.url


def edgeq(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


def test_from_a_model_to_a_report(tmp_path: Path, port: str, host_app: bytes) -> None:
    run, model = tmp_path / "run", tmp_path / "one-step.tflite"
    status, text = edgeq("deploy", model, "-o", run, "--port", port, "-n", "3")
    assert status == 0, text
    report = json.loads((run / "report.json").read_text())
    ledger = {hop["name"]: hop["status"] for hop in report["ledger"]["hops"]}
    assert ledger["native-host"] == "equal"
    assert report["flash"]["verified"]
    assert report["sizes"]["firmware_bytes"] == len(host_app)
    assert (run / "bootloader.bin").read_bytes() == b"boot"
    assert (run / "firmware" / "sdkconfig.board").is_file()

    status, text = edgeq("flash", run, "--port", port)  # and again, from the finished run
    assert status == 0, text
    status, text = edgeq("verify", run)
    assert status == 0, text
    assert "not run" in text

    status, text = edgeq("deploy", model, "-o", run, "--runner", "host", "-n", "3")
    assert status == 0, text
    assert not (run / "bootloader.bin").exists()  # of the run before


def test_a_firmware_that_does_not_build_leaves_no_run(tmp_path: Path, port: str) -> None:
    (tmp_path / "idf" / "mode").write_text("error")
    status, text = edgeq("deploy", tmp_path / "one-step.tflite", "-o", tmp_path / "run", "--port", port)
    assert status == 2
    assert "unknown type name" in " ".join(text.split())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["firmware"]  # with build.log


def test_without_esp_idf_nothing_is_begun(tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDF_PATH", "/nowhere")
    status, text = edgeq("deploy", tmp_path / "one-step.tflite", "-o", tmp_path / "run", "--port", port)
    assert (status, "install.sh" in text, (tmp_path / "run").exists()) == (5, True, False)


def test_a_port_and_a_runner(tmp_path: Path, port: str) -> None:
    model = tmp_path / "one-step.tflite"
    status, text = edgeq("deploy", model, "-o", tmp_path / "run", "--port", port, "--runner", "host")
    assert (status, "--runner host" in text) == (2, True)
