"""A kernel that has become 3 % slower is caught on the emulated board, and named by its layers and no others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import edgeq, good, refused

from edgeq.boards.board import load_board
from edgeq.bundled import bundled
from edgeq.pipeline import board as boards
from edgeq.pipeline.bench import measure
from edgeq.pipeline.progress import Quiet
from edgeq.report.model import Latency, to_json
from edgeq.report.validate import read_report

KERNEL = "conv2d_s8_winograd4"
BODY = "    run(p, &F4, input, weights, output, scratch);\n"
# Three instructions a turn, a turn for every hundred multiply-accumulates of a kernel that takes about one for each.
PLANTED = """\
    for (int32_t turns = p->out.height * p->out.width * p->out.channels * p->in.channels * 9 / 100; turns > 0; turns--)
        __asm__ volatile("");
"""


@pytest.fixture
def slower(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder's report, made with firmware from a copy of the sources in which one kernel does more."""
    sources = tmp_path / "firmware"
    shutil.copytree(bundled("firmware"), sources)
    file = sources / "components/eq_kernels/conv2d_s8_winograd.c"
    text = file.read_text()
    assert text.count(BODY) == 1
    file.write_text(text.replace(BODY, PLANTED + BODY))
    monkeypatch.setattr("edgeq.toolchain.build.bundled", lambda name: tmp_path / name)
    report = read_report((run / "report.json").read_text())
    latency, firmware_bytes = _on_the_emulated_core(run, tmp_path, report.latency.n)
    sizes = report.sizes.model_copy(update={"firmware_bytes": firmware_bytes})
    made = report.model_copy(update={"latency": latency, "sizes": sizes})
    new = tmp_path / "slower"
    new.mkdir()
    (new / "report.json").write_text(to_json(made))
    return new


def _on_the_emulated_core(run: Path, out: Path, runs: int) -> tuple[Latency, int]:
    board = load_board("esp32-wrover-b")
    built = boards.build("qemu_lx6", board, out, Quiet())
    contents = boards.flash_contents(board, built.app_image, (run / "model.image").read_bytes())
    with boards.virtual_board("qemu_lx6", board, contents) as virtual, boards.session(virtual.url) as talk:
        return measure(talk, runs, Quiet()), len(built.app_image)


@pytest.mark.e2e
@pytest.mark.emulator
def test_a_slower_kernel_is_named_by_its_layers(run: Path, slower: Path) -> None:
    good(edgeq("compare", run, run, cwd=slower))
    done = edgeq("compare", run, slower, "--json", "--markdown", "comment.md", "--junit", "gate.xml", cwd=slower)
    refused(done, 1, "Worse than the gate allows: layer")
    found = json.loads(done.stdout)
    failed: list[dict[str, Any]] = [finding for finding in found["findings"] if finding["verdict"] == "failed"]
    layers = read_report((run / "report.json").read_text()).latency.layers
    slow = {layer.name for layer in layers if layer.kernel == KERNEL}
    assert len(slow) > 1 and {finding["what"] for finding in failed} == slow
    assert all(finding["rule"] == "layer" and 0.02 < finding["change"] < 0.04 for finding in failed)
    others = [f for f in found["findings"] if f["rule"] == "layer" and f["what"] not in slow]
    assert others and all(finding["change"] == 0 for finding in others)
    for text in ((slower / "comment.md").read_text(), (slower / "gate.xml").read_text()):
        assert all(name in text for name in slow)
