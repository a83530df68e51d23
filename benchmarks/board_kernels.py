"""The kernels' table of a real board: `make bench-board PORT=... BOARD=...`.

    python benchmarks/board_kernels.py --port PORT [--board BOARD] [--only SHAPE] [--output FILE]

The shapes are those of `kernels.py`, one model image each. ESP-IDF builds the firmware once, esptool flashes it and
then each image, the input goes over the serial link, and the output has to be the reference's bytes. What a row rests
on is what the board says of itself: `measured` are cycles of a real one's counter, or what its clock makes of an older
firmware's microseconds; an emulated core knows instructions alone, and no file is written of it unless `--output` asks
for one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import TypedDict

import numpy as np
from kernels import BASELINE, SHAPES

from edgeq import ops
from edgeq.boards.board import Board, load_board
from edgeq.convert import file_layout, write_tflite
from edgeq.errors import BoardTrouble, CheckFailed, DoesNotFit, EdgeqError
from edgeq.graph import Graph
from edgeq.images.model import ModelImage, write_model_image
from edgeq.link.messages import RunFlag
from edgeq.link.session import Session
from edgeq.pipeline import board as boards
from edgeq.pipeline import esp_idf
from edgeq.pipeline.bench import clock_of
from edgeq.pipeline.progress import Quiet
from edgeq.plan import build_plan, encode_plan

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent / "build" / "bench-board"
RUNS = 3


class BoardRow(TypedDict):
    """One shape: a row of `kernels.json` and its cycles, of which an emulated core has none.

    Of a real board, `instructions` are those of `kernels.json`, where the same kernel with as much scratch was counted.
    """

    shape: str
    kernel: str
    macs: int
    instructions: int | None
    scratch_bytes: int
    cycles: int | None


class Table(TypedDict):
    """What goes into the file."""

    board: str
    firmware: str
    basis: str
    clock_hz: int
    rows: list[BoardRow]


class Bench:
    """A board behind a port. What of its flash is as it shall be is not written again."""

    def __init__(self, port: str, board: Board, project: Path) -> None:
        self.port, self.board = port, board
        self.table = Table(board=board.name, firmware="", basis="", clock_hz=0, rows=[])
        self._app = esp_idf.application(esp_idf.Wanted(board))
        self._built = esp_idf.build(self._app, project, Quiet())
        self._flash: dict[int, bytes] = {}
        self._counted = {row["shape"]: row for row in json.loads(BASELINE.read_text())}

    def measure(self, shape: str) -> BoardRow:
        """Flashes the shape, runs it, and adds its row. DoesNotFit where the board is too small for it."""
        graph = SHAPES[shape]()
        tflite = write_tflite(graph)
        plan = build_plan(graph, file_layout(tflite), boards.target_of(self.board))
        boards.check_fits(self.board, plan.arena_bytes, plan.scratch_bytes)
        self._write(write_model_image(ModelImage("kernel", encode_plan(plan), tflite, b"")))
        with boards.session(self.port) as talk:
            boards.require_model(talk)
            ticks = self._run(talk, graph, shape)
            row = BoardRow(
                shape=shape,
                kernel=plan.steps[0].kernel.name,
                macs=ops.macs(graph),
                instructions=None,
                scratch_bytes=plan.scratch_bytes,
                cycles=None,
            )
            self._fill(row, talk.info(), ticks)
        self.table["rows"].append(row)
        return row

    def _write(self, image: bytes) -> None:
        contents = esp_idf.contents(self._app, self._built, image)
        parts = tuple((offset, data) for offset, data in contents.parts if self._flash.get(offset) != data)
        self._flash = {}  # nothing is known if power goes now
        boards.flash_board(self.port, self.board, boards.FlashContents(parts, contents.table, contents.slot), Quiet())
        self._flash = dict(contents.parts)

    @staticmethod
    def _run(talk: Session, graph: Graph, shape: str) -> float:
        """The median of the clock's ticks for the step. CheckFailed where a byte is wrong."""
        tensor = graph.tensor(graph.inputs[0])
        sample = np.random.default_rng(1).integers(-128, 128, tensor.shape, dtype=np.int8)
        expected = ops.run(graph, {tensor.name: sample})[graph.outputs[0]].tobytes()
        ticks = []
        for _ in range(RUNS):
            talk.write_input(sample.tobytes())
            talk.run(RunFlag.PROFILE)
            (of_step,) = talk.profile()
            ticks.append(of_step)
            if talk.read_output(talk.model().output.bytes) != expected:
                raise CheckFailed("the board's output differs from the reference", where=shape)
        return statistics.median(ticks)

    def _fill(self, row: BoardRow, info: dict[str, str], ticks: float) -> None:
        basis, unit = clock_of(info)
        try:
            clock_hz = int(info["clock_hz"])
        except (KeyError, ValueError) as error:
            raise BoardTrouble("the board does not say its clock", hint="flash it again") from error
        self.table["firmware"], self.table["basis"] = info.get("firmware", ""), basis
        self.table["clock_hz"] = clock_hz
        counted = self._counted.get(row["shape"])
        if unit == "instructions":
            row["instructions"] = round(ticks)
        elif unit in ("cycles", "us") and basis == "measured":
            row["cycles"] = round(ticks if unit == "cycles" else ticks * clock_hz / 1_000_000)
            if counted and (counted["kernel"], counted["scratch_bytes"]) == (row["kernel"], row["scratch_bytes"]):
                row["instructions"] = counted["instructions"]
        else:
            raise BoardTrouble(f"the board counts {unit}, of which no cycles can be told", hint="a real board")


def line(row: BoardRow, basis: str) -> str:
    """A row for the terminal, with what a MAC takes."""
    values = [f"{row['shape']:<32}{row['kernel']:<28}"]
    for unit, value in (("cycles", row["cycles"]), ("instructions", row["instructions"])):
        if value is not None:
            values.append(f"{value / row['macs']:>8.3f} {unit} a MAC")
    return "".join((*values, f"{row['scratch_bytes']:>9,} B scratch  ({basis})"))


def save(table: Table, file: Path) -> None:
    """All of it or nothing."""
    beside = file.with_name(f"{file.name}.part")
    beside.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    beside.replace(file)


def main() -> int:
    """Exit codes are those of edgeq's errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", required=True, help="a serial port, socket://HOST:PORT or rfc2217://HOST:PORT")
    parser.add_argument("--board", default="esp32-wrover-b-16mb", help="a board of `edgeq boards`, or its TOML file")
    parser.add_argument("--only", default="", help="shapes that this is a part of")
    parser.add_argument("--output", type=Path, help="the file; else kernels-BOARD.json, if it was measured")
    parser.add_argument("--project", type=Path, help="where the firmware is built")
    arguments = parser.parse_args()
    try:
        board = load_board(arguments.board)
        bench = Bench(arguments.port, board, arguments.project or PROJECT / board.name)
        for shape in (shape for shape in SHAPES if arguments.only in shape):
            try:
                row = bench.measure(shape)
            except DoesNotFit as error:
                print(f"{shape:<32}left out: {error.what}", flush=True)
                continue
            print(line(row, bench.table["basis"]), flush=True)
        measured = bench.table["basis"] == "measured" and not arguments.only
        file = arguments.output or (FOLDER / f"kernels-{board.name}.json" if measured else None)
        if file and bench.table["rows"]:
            save(bench.table, file)
            print(f"written to {file}")
    except EdgeqError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
