"""TFLite Micro and the native engine on one virtual board: deployed, compared, measured, side by side in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from graphs import every_kernel
from typer.testing import CliRunner, Result

from edgeq.bench.oracles import has_tflm, tflm_arena_bytes
from edgeq.boards.board import load_board
from edgeq.cli import app
from edgeq.convert import write_tflite
from edgeq.images.model import read_model_image
from edgeq.link.messages import RunFlag
from edgeq.pipeline import board as boards
from edgeq.plan import tflm_arena
from edgeq.report.model import Report
from edgeq.report.validate import read_report

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not has_tflm(), reason="TFLite Micro's interpreter is not installed"),
]
OUTPUTS = [name for node in every_kernel().nodes for name in node.outputs]
LATER = {name for node in every_kernel().nodes for name in node.outputs[1:]}


def edgeq(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("model") / "net.tflite"
    path.write_bytes(write_tflite(every_kernel()))
    return path


@pytest.fixture(scope="module")
def both(model: Path) -> Path:
    """A run of both engines."""
    run = model.parent / "both"
    done = edgeq("deploy", model, "-o", run, "--engine", "both", "--runs", 3)
    assert done.exit_code == 0, done.output
    return run


def report_of(run: Path) -> Report:
    return read_report((run / "report.json").read_bytes())


def hops_of(report: Report) -> dict[str, tuple[str, int, int]]:
    return {hop.name: (hop.status, hop.tensors, hop.inputs) for hop in report.ledger.hops}


def test_tflm_alone(model: Path, tmp_path: Path) -> None:
    done = edgeq("deploy", model, "-o", tmp_path / "run", "--engine", "tflm", "--runs", 2)
    assert done.exit_code == 0, done.output
    report = report_of(tmp_path / "run")
    assert (report.engine, report.board.kind, report.latency.basis, report.latency.unit) == (
        "tflm", "host", "host", "ns",
    )  # fmt: skip
    assert report.engine_version.startswith("tflite-micro ") and not report.engines
    assert [layer.name for layer in report.latency.layers] == OUTPUTS
    assert all(layer.value > 0 for layer in report.latency.layers if layer.name not in LATER)
    assert not any(layer.kernel for layer in report.latency.layers)
    assert hops_of(report)["tflm-host"] == ("equal", len(OUTPUTS), 16)
    assert "native-host" not in hops_of(report)
    assert report.sizes.arena_bytes == report.sizes.tflm_arena_bytes == tflm_arena_bytes(model.read_bytes())
    image = read_model_image((tmp_path / "run" / "model.image").read_bytes())
    assert image.tflm_arena_bytes == report.sizes.tflm_arena_bound_bytes
    assert "engine tflm" in (tmp_path / "run" / "report.html").read_text()


def test_both_side_by_side(both: Path) -> None:
    report = report_of(both)
    hops = hops_of(report)
    native, tflm = report.engines
    # Several steps may write parts of one tensor.
    steps = list(dict.fromkeys(layer.name for layer in native.latency.layers))
    assert hops["native-host"] == ("equal", len(steps), 16)
    assert hops["tflm-host"] == ("equal", len(OUTPUTS), 16)
    # TFLM has folded nothing.
    assert set(OUTPUTS) > set(steps) > LATER
    assert hops["native-tflm"] == ("equal", len(steps), 16)
    assert (native.engine, tflm.engine, report.engine) == ("native", "tflm", "native")
    assert native.latency == report.latency and native.arena_bytes < tflm.arena_bytes
    assert (native.latency.n, tflm.latency.n) == (3, 3)
    for text in ((both / "report.html").read_text(), (both / "report.md").read_text()):
        assert "native" in text and "tflm" in text and "timed alone" in text


def test_verify_makes_the_same_hops_again(both: Path) -> None:
    done = edgeq("verify", both, "--json")
    assert done.exit_code == 0, done.output
    again = {hop["name"]: (hop["status"], hop["tensors"], hop["inputs"]) for hop in json.loads(done.stdout)["hops"]}
    assert again == hops_of(report_of(both))


def test_verify_of_a_bare_file(model: Path) -> None:
    done = edgeq("verify", model, "--engine", "tflm", "--inputs", "random:2", "--json")
    assert done.exit_code == 0, done.output
    assert [hop["name"] for hop in json.loads(done.stdout)["hops"]] == ["litert", "tflm", "tflm-host"]


def test_bench_of_a_board(both: Path) -> None:
    board = load_board("esp32-wrover-b")
    contents = boards.flash_contents(board, (both / "app.bin").read_bytes(), (both / "model.image").read_bytes())
    with boards.virtual_board("host", board, contents) as virtual:
        done = edgeq("bench", "--port", virtual.url, "--engine", "both", "-n", 2, "--json")
        assert done.exit_code == 0, done.output
        assert [run["engine"] for run in json.loads(done.stdout)["engines"]] == ["native", "tflm"]
        in_use = edgeq("bench", "--port", virtual.url, "-n", 1, "--json")
        assert [run["engine"] for run in json.loads(in_use.stdout)["engines"]] == ["tflm"]
        with boards.session(virtual.url) as talk:
            goldens = talk.model().goldens
            assert goldens == 16 and all(talk.selftest(i).equal for i in range(goldens))
            talk.load_golden(0)
            talk.run(RunFlag.PROFILE)
            assert len(talk.profile()) == len(OUTPUTS)


def test_the_emulated_core_has_no_tflm(model: Path, tmp_path: Path) -> None:
    done = edgeq("deploy", model, "-o", tmp_path / "run", "--engine", "tflm", "--runner", "qemu_lx6")
    assert done.exit_code == 2
    assert "the emulated core runs the native engine alone" in done.output
    assert not (tmp_path / "run").exists()


def test_an_arena_too_small_is_told_before_anything_is_flashed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tflm_arena, "REQUEST_BYTES", 1 << 22
    )  # as if a chip's kernels asked for more than any board has
    monkeypatch.setattr(tflm_arena, "NODE_BYTES", 1 << 22)
    done = edgeq("deploy", model, "-o", tmp_path / "run", "--engine", "both")
    assert done.exit_code == 3
    assert "the arena takes" in done.output and "esp32-wrover-b" in done.output
    assert not (tmp_path / "run").exists()
