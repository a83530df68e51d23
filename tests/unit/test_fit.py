"""`edgeq fit`: each limit of a board, where it lies, and what is said beyond it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeq import ops
from edgeq.boards.board import boards, load_board
from edgeq.cli import app
from edgeq.convert.tflite import write_tflite
from edgeq.errors import DoesNotFit
from edgeq.images.layout import largest_image, layout_for
from edgeq.ops import conv2d
from edgeq.pipeline import fit as fit_step
from edgeq.pipeline.board import check_fits
from edgeq.pipeline.fit import Fit, Needs, assess, needs_of, window_bytes
from edgeq.pipeline.prepare import GOLDEN_SAMPLES, load_tflite, model_image, random_inputs
from edgeq.plan import build_plan

KIB, MIB = 1 << 10, 1 << 20
SMALL = Needs(
    name="small", macs=12_500_000, tflite_bytes=100_000, image_bytes=150_000, app_bytes=0, app_of="",
    arena_bytes=50_000, scratch_bytes=0, largest_step="conv", step_bytes=40_000, mapped_bytes=40_000,
)  # fmt: skip


def on(board: str, tflm_arena_bytes: int | None = None, **changes: int) -> Fit:
    return assess(replace(SMALL, **changes), load_board(board), tflm_arena_bytes)  # type: ignore[arg-type]


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
def test_a_small_model_fits_every_board(board: fit_step.Board) -> None:
    found = assess(SMALL, board, 60_000)
    assert found.fits and found.slots == 2
    assert all(use.fits for use in (*found.flash, found.scratch, *(e.window for e in found.engines)))
    assert [engine.problem for engine in found.engines] == ["", ""]


def test_flash_as_the_layout_has_it() -> None:
    slot = layout_for(4 * MIB).model_slots[0].size
    assert (on("esp32-wrover-b", image_bytes=slot).slots, on("esp32-wrover-b", image_bytes=slot + 1).slots) == (2, 1)
    whole = largest_image(4 * MIB)
    assert on("esp32-wrover-b", image_bytes=whole).fits
    beyond = on("esp32-wrover-b", image_bytes=whole + 1)
    assert (beyond.fits, beyond.slots) == (False, 0) and f"{whole + 1:,}" in beyond.problems[0]
    assert not beyond.flash[-1].fits and beyond.flash[-1].capacity == whole
    assert on("esp32-wrover-b-16mb", image_bytes=whole + 1).slots == 2


def test_the_firmware_has_a_row_once_it_is_built() -> None:
    assert [use.what for use in on("esp32-devkitc").flash] == ["model image"]
    built = on("esp32-devkitc", app_bytes=MIB + 1)
    assert [(use.what, use.bytes, use.capacity) for use in built.flash] == [
        ("firmware", MIB + 1, MIB + 64 * KIB),
        ("model image", 150_000, layout_for(4 * MIB, 0, MIB + 1).model_slots[0].size),
    ]


def test_where_the_arena_lies() -> None:
    places = {size: on("esp32-wrover-b", arena_bytes=size).engines[0].placement for size in (32 * KIB, 2 * MIB)}
    assert [place.where for place in places.values() if place] == ["internal", "psram"]
    beyond = on("esp32-wrover-b", arena_bytes=2 * MIB + 1)
    assert not beyond.fits and "arena of 2,097,153 bytes" in beyond.problems[0]


@pytest.mark.parametrize("board", boards(), ids=lambda board: board.name)
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_fit_and_deploy_agree(board: fit_step.Board, beyond: int) -> None:
    for arena, scratch in ((board.arena_bytes + beyond, 0), (1, board.scratch_bytes + beyond)):
        found = assess(replace(SMALL, arena_bytes=arena, scratch_bytes=scratch), board, None)
        if beyond > 0:
            with pytest.raises(DoesNotFit):
                check_fits(board, arena, scratch)
        else:
            check_fits(board, arena, scratch)
        assert found.fits == (beyond <= 0)


def test_a_file_that_cannot_be_mapped_at_once_is_for_the_native_engine_alone() -> None:
    """4 MiB of window, of which the firmware has its part: the weights of one layer fit, the whole file does not."""
    room = window_bytes(load_board("esp32-wrover-b-16mb")) - 4 * 64 * KIB
    for size, runs in ((room, True), (room + 1, False)):
        found = on("esp32-wrover-b-16mb", 60_000, tflite_bytes=size, image_bytes=size + 50_000)
        native, tflm = found.engines
        assert found.fits and not native.problem
        assert (not tflm.problem) is runs
    assert "at once" in tflm.problem
    assert on("esp32-s3-devkitc-1", 60_000, tflite_bytes=room + 1, image_bytes=room + 50_000).engines[1].problem == ""


def test_a_layer_that_cannot_be_mapped() -> None:
    found = on("esp32-wrover-b-16mb", mapped_bytes=5 * MIB)
    assert not found.fits and "the native engine maps" in found.problems[0]


def test_windows() -> None:
    windows = {board.name: window_bytes(board) / MIB for board in boards()}
    assert windows["esp32-wrover-b"] == 3.5
    assert windows["esp32-c3-devkitm-1"] == 7
    assert windows["esp32-s3-devkitc-1"] == 32 - 1 - 8, "PSRAM is in the same window"


def test_an_arena_that_is_not_known() -> None:
    assert on("esp32-wrover-b").engines[1].arena is None
    tflm = on("esp32-wrover-b", 3 * MIB).engines[1]
    assert tflm.arena is not None and tflm.arena.bound and "takes an arena" in tflm.problem
    assert on("esp32-wrover-b", 3 * MIB).fits, "the native engine runs it"


def test_the_bound_is_arithmetic() -> None:
    assert on("esp32-wrover-b", macs=1_814_000_000).bound_s == pytest.approx(7.558, abs=0.001)
    assert on("esp32-s3-devkitc-1", macs=1_814_000_000).bound_s == pytest.approx(7.558 / 16, abs=0.001)


def test_needs_of_a_model() -> None:
    tflite = write_tflite(conv2d.case((1, 9, 8, 3), 5, (3, 3), stride=(2, 2)))
    model = load_tflite(tflite, "conv")
    plan = build_plan(model.graph, model.file)
    inputs = random_inputs(model.graph, GOLDEN_SAMPLES, seed=0)
    image = model_image(model, plan, inputs, ops.run(model.graph, {model.graph.inputs[0]: inputs}))
    needs = needs_of(model, load_board("esp32-c3-devkitm-1"))
    assert (needs.image_bytes, needs.tflite_bytes, needs.macs) == (len(image), len(tflite), ops.macs(model.graph))
    assert (needs.arena_bytes, needs.scratch_bytes) == (plan.arena_bytes, plan.scratch_bytes)
    read, written = (plan.tensors[t].bytes for t in (plan.steps[0].inputs[0], plan.steps[0].output))
    assert (needs.largest_step, needs.step_bytes) == (plan.steps[0].name, read + written)
    weights = sum(t.bytes for t in model.graph.tensors.values() if t.is_constant)
    assert weights < needs.mapped_bytes < weights + 1000


@pytest.fixture
def no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_step, "tflm_arena", lambda tflite, chip: None)


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    file = tmp_path / "conv.tflite"
    file.write_bytes(write_tflite(conv2d.case((1, 9, 8, 3), 5, (3, 3))))
    return file


@pytest.mark.usefixtures("no_interpreter")
def test_what_is_printed(tflite: Path) -> None:
    done = CliRunner().invoke(app, ["fit", str(tflite)])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "conv on esp32-wrover-b: fits"
    (image,) = [line for line in lines if "model image" in line]
    assert "#......................." in image and "one of two slots" in image
    (macs,) = [line for line in lines if line.startswith("MACs")]
    assert "at least" in macs and "a bound" in macs and "no estimate" in macs
    assert any(line.startswith("tflm") and "not known here" in line for line in lines)


@pytest.mark.usefixtures("no_interpreter")
def test_what_does_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "large.tflite"
    file.write_bytes(write_tflite(conv2d.case((1, 100, 100, 8), 8, (3, 3))))
    arguments = ["fit", str(file), "--board", "esp32-devkitc"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 3
    assert "does not fit" in done.stdout and "########################>" in done.stdout
    said = " ".join(done.stderr.split())
    assert "arena of 160,000 bytes" in said and "39 %" in said and "esp32-wrover-b" in said
    done = CliRunner().invoke(app, [*arguments, "--json"])
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["fits"], facts["slots"]) == (3, False, 1)
    assert facts["engines"][0]["runs"] is False and facts["engines"][0]["placement"]["where"] == "nowhere"
    assert facts["problems"] and "esp32-wrover-b" in facts["advice"][0]


@pytest.mark.usefixtures("no_interpreter")
def test_what_cannot_be_asked(tmp_path: Path, tflite: Path) -> None:
    for arguments, what in (
        (["resnet18-digits"], "quantised first"),
        ([str(tmp_path / "none.tflite")], "no such file"),
        ([str(tmp_path)], "finished run"),
        ([str(tflite), "--board", "none"], "no board is called"),
    ):
        done = CliRunner().invoke(app, ["fit", *arguments])
        assert done.exit_code == 2 and what in done.stderr
