"""`bench N` typed at a board's console: the numbers of `edgeq bench` on the same board, from the board itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from console_bench import ConsoleBench, read_console_bench

from edgeq.boards.board import load_board
from edgeq.link.transport import SerialTransport
from edgeq.pipeline import board as boards
from edgeq.pipeline.bench import bench
from edgeq.pipeline.progress import Quiet
from edgeq.report.bench import BenchReport
from edgeq.report.validate import read_report

pytestmark = [pytest.mark.e2e, pytest.mark.emulator]
RUNS = 17  # one golden sample comes a second time
LIMIT_S = 120


def typed(port: str, command: str) -> str:
    """What a terminal shows of a command, from its echo to the next prompt."""
    transport = SerialTransport(port)
    try:
        shown, until_s = b"", time.monotonic() + LIMIT_S
        transport.write(b"\r" + command.encode() + b"\r")
        while not (command.encode() in shown and shown.rpartition(command.encode())[2].count(b"edgeq> ") == 1):
            assert time.monotonic() < until_s, shown
            shown += transport.read(1.0)
    finally:
        transport.close()
    return shown.decode().rpartition(command)[2].removesuffix("edgeq> ")


def test_a_board_tells_a_person_what_it_tells_the_tool(run: Path) -> None:
    board = load_board("esp32-wrover-b")
    contents = boards.flash_contents(board, (run / "app.bin").read_bytes(), (run / "model.image").read_bytes())
    with boards.virtual_board("qemu_lx6", board, contents) as virtual:
        said = read_console_bench(typed(virtual.url, f"bench {RUNS}"))
        with boards.session(virtual.url) as talk:
            told = bench(talk, None, RUNS, Quiet())
    latency = told.engines[0].latency
    assert said.runs == latency.n == RUNS
    assert said.figures == {name: getattr(latency, name) for name in ("p50", "p90", "p99", "min", "max", "mean")}
    _layers_are_equal(said, told)
    assert said.memory == {
        "arena": (told.engines[0].arena_bytes, told.board.arena_bytes),
        "scratch": (told.engines[0].scratch_bytes, told.board.scratch_bytes),
        "flash, model": (told.model.image_bytes, told.board.model_slot_bytes),
    }
    assert (told.equality[0].count, told.equality[0].equal) == (16, 16)
    assert said.facts["golden samples"] == "16 of 16 equal to the byte"
    assert (said.facts["model"], said.facts["board"]) == (told.model.name, f"{told.board.name} (emulated)")
    assert told.engines[0].version in said.facts["engine"]


def test_a_process_tells_a_person_the_same_but_for_time(run: Path, tmp_path: Path) -> None:
    board = load_board("esp32-wrover-b")
    app = boards.build("host", board, tmp_path, Quiet()).app_image
    contents = boards.flash_contents(board, app, (run / "model.image").read_bytes())
    with boards.virtual_board("host", board, contents) as virtual:
        said = read_console_bench(typed(virtual.url, "bench 3"))
    figures = [said.figures[name] for name in ("min", "p50", "p90", "p99", "max")]
    assert said.runs == 3 and figures == sorted(figures) and figures[0] > 0
    assert sum(count for _, count in said.bins) in (0, 3)
    assert said.facts["golden samples"] == "3 of 3 equal to the byte; the model image has 16"
    layers = read_report((run / "report.json").read_text()).latency.layers
    assert sorted((name, macs) for name, _, _, macs in said.layers) == sorted((la.name[:22], la.macs) for la in layers)
    assert [ticks for *_, ticks, _ in said.layers] == sorted((ticks for *_, ticks, _ in said.layers), reverse=True)


def _layers_are_equal(said: ConsoleBench, told: BenchReport) -> None:
    by_cost = sorted(told.engines[0].latency.layers, key=lambda layer: -layer.value)
    assert [(name, ticks, macs) for name, _, ticks, macs in said.layers] == [
        (layer.name[:22], layer.value, layer.macs) for layer in by_cost
    ]
    assert all((layer.kernel or layer.op).startswith(row[1]) for layer, row in zip(by_cost, said.layers, strict=True))
