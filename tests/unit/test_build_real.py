"""`edgeq build` for a real board, with a stand-in for ESP-IDF."""

import json
from pathlib import Path

import pytest
from fake_idf import fake_idf
from typer.testing import CliRunner

from edgeq.boards.board import load_board
from edgeq.cli import app
from edgeq.convert.tflite import file_layout, read_tflite, write_tflite
from edgeq.errors import BadInput, DoesNotFit
from edgeq.images.model import ModelImage, write_model_image
from edgeq.images.partitions import TABLE_OFFSET, read_partition_table
from edgeq.ops import conv2d
from edgeq.pipeline import esp_idf
from edgeq.pipeline.esp_idf import Wanted, application
from edgeq.plan import Plan, build_plan, encode_plan
from edgeq.toolchain.esp_idf import EspIdf, IdfBuild

TFLITE = write_tflite(conv2d.case((1, 9, 8, 3), 5, (3, 3), stride=(2, 2)))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return build_plan(read_tflite(TFLITE), file_layout(TFLITE))


@pytest.fixture(scope="module")
def image(plan: Plan) -> bytes:
    return write_model_image(ModelImage("one-step", encode_plan(plan), TFLITE))


def build(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["build", "-o", str(tmp_path / "out"), *arguments])
    return done.exit_code, done.output


@pytest.fixture
def idf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = fake_idf(tmp_path / "idf")
    monkeypatch.setenv("IDF_PATH", str(folder))
    monkeypatch.delenv("IDF_PYTHON_ENV_PATH", raising=False)
    return folder


def test_a_build_keeps_what_is_flashed_and_shows_the_memory(tmp_path: Path, idf: Path) -> None:
    status, text = build(tmp_path, "--board", "esp32-cam")
    assert status == 0, text
    kept = {name: (tmp_path / "out" / name).read_bytes() for name in ("bootloader.bin", "app.bin", "firmware.elf")}
    assert kept == {"bootloader.bin": b"boot", "app.bin": b"app", "firmware.elf": b"elf"}
    assert "Memory Configuration" in (tmp_path / "out" / "firmware.map").read_text()
    table = read_partition_table((tmp_path / "out" / "partitions.bin").read_bytes(), 4 << 20)
    assert [p.name for p in table.partitions][-2:] == ["model_0", "model_1"]
    (row,) = [line for line in text.splitlines() if "internal RAM, data" in line]
    assert "123,904" in row and "180,736" in row and "█" * 16 + "░" * 8 in row and "68.56 %" in row
    assert not (idf / "tools" / "build").exists()


def test_as_json(tmp_path: Path, idf: Path) -> None:
    status, text = build(tmp_path, "--board", "esp32-cam", "--json", "--engine", "both")
    assert status == 0, text
    facts = json.loads(text[text.index("{") :])
    assert (facts["engines"], facts["arena_in"], facts["app_bytes"]) == (["native", "tflm"], "psram", 3)
    assert {"name": "extern_ram_seg", "used": 2 << 20, "size": 4 << 20} in facts["regions"]


def test_only_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDF_PATH", "/nowhere")
    status, text = build(tmp_path, "--generate-only", "--board", "esp32-c3-devkitm-1")
    assert status == 0, text
    assert 'CONFIG_IDF_TARGET="esp32c3"' in (tmp_path / "out" / "firmware" / "sdkconfig.board").read_text()
    assert "idf.py build" in text


@pytest.mark.parametrize(("mode", "status", "what"), [("error", 2, "unknown type name"), ("overflow", 3, "20,480")])
def test_a_build_that_fails(tmp_path: Path, idf: Path, mode: str, status: int, what: str) -> None:
    (idf / "mode").write_text(mode)
    found, text = build(tmp_path)
    assert (found, what in " ".join(text.split())) == (status, True), text
    assert not (tmp_path / "out" / "app.bin").exists()


def test_without_esp_idf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDF_PATH", "/nowhere")
    status, text = build(tmp_path)
    assert status == 5
    assert "install.sh" in text
    assert not (tmp_path / "out").exists()


def test_a_built_in_model_takes_what_it_needs(image: bytes, plan: Plan) -> None:
    found = application(Wanted(load_board("esp32-wrover-b"), embed="array", image=image))
    assert (found.arena_in_psram, found.image) == (False, image)
    assert found.arena_bytes == max(-(-plan.arena_bytes // 16) * 16, 1024)
    assert found.scratch_bytes >= plan.scratch_bytes


def test_a_model_in_its_partition_may_take_what_the_board_has(image: bytes) -> None:
    board = load_board("esp32-wrover-b")
    found = application(Wanted(board, ("native", "tflm"), image=image))
    assert (found.arena_bytes, found.scratch_bytes, found.image) == (board.arena_bytes, board.scratch_bytes, None)
    assert found.resolver is not None and "AddConv2D" in found.resolver and "AddMaxPool2D" in found.resolver


def test_tflm_with_a_built_in_model(image: bytes) -> None:
    pytest.importorskip("tflite_micro")
    board = load_board("esp32-wrover-b")
    both = application(Wanted(board, ("native", "tflm"), "array", image))
    assert both.arena_bytes > application(Wanted(board, ("native",), "array", image)).arena_bytes
    assert both.resolver is not None and "AddConv2D" in both.resolver and "AddMaxPool2D" not in both.resolver


def test_what_cannot_be(image: bytes) -> None:
    board = load_board("esp32-devkitc")
    with pytest.raises(BadInput, match="which model"):
        application(Wanted(board, embed="array"))
    with pytest.raises(DoesNotFit, match="internal RAM has"):
        application(Wanted(board, arena_bytes=1 << 20))


def test_an_arena_as_a_run_used_it(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"sizes": {"arena_bytes": 1000}}))
    assert esp_idf.arena_from(tmp_path) == 1000
    report.write_text(json.dumps({"sizes": {"arena_bytes": 1000}, "engines": [{"arena_bytes": 2000}, {}]}))
    assert esp_idf.arena_from(tmp_path) == 2000
    for damaged in ("{}", "[]", '{"sizes": {"arena_bytes": "many"}}', "no json"):
        report.write_text(damaged)
        with pytest.raises(BadInput, match="does not say"):
            esp_idf.arena_from(tmp_path)


def test_what_goes_into_flash(image: bytes) -> None:
    built = IdfBuild(EspIdf(Path("/idf"), (5, 5, 1), ("idf.py",)), b"elf", b"map", b"boot", b"app", ())
    board = load_board("esp32-wrover-b")
    with_slots = esp_idf.contents(application(Wanted(board, image=image)), built, image)
    assert with_slots.parts[0] == (0x1000, b"boot")
    assert (0x10000, b"app") in with_slots.parts
    assert image in [data for _, data in with_slots.parts]
    built_in = esp_idf.contents(application(Wanted(board, embed="array", image=image)), built, image)
    assert [offset for offset, _ in built_in.parts] == [0x1000, TABLE_OFFSET, 0x10000]
