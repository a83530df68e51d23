"""The single steps that make one file: `quantize`, `convert`, `build`, and `flash` of a finished run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeq import ops
from edgeq.boards.board import load_board
from edgeq.convert import is_tflite
from edgeq.errors import BadInput, Unsupported
from edgeq.flash.esptool import FlashResult
from edgeq.pipeline import board as boards
from edgeq.pipeline.board import Runner
from edgeq.pipeline.explanation import moved, quantisation_of
from edgeq.pipeline.float_models import load_keras, load_torch, quantise_torch
from edgeq.pipeline.prepare import QuantiseOptions, as_int8, convert, load_tflite, rewrite
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import APP, BOOTLOADER, LOCK, MODEL_IMAGE, RunFolder, folder_for, read_file, write_file
from edgeq.pipeline.scoring import integer_answers
from edgeq.pipeline.source import Source, resolve
from edgeq.report.html import quantisation_html
from edgeq.report.quantisation import Moved, Quantisation

if TYPE_CHECKING:  # torch is imported by the step that needs it
    from edgeq.quantize.effort import Effect


@dataclass(frozen=True)
class Quantised:
    """What `quantize` says: top-1 shares on `samples` held-out samples, and each activation's SQNR in dB.

    `qdq_top1` is simulated in float, which edgeq's own quantiser alone does; `int8_top1` is the integer reference's,
    null where `not_integer` says what of the network has no integer form yet. `effects` are the repairs' on the
    output's SQNR in dB. `moved` are the samples that the integer network takes for another class than the float one;
    the simulated one's where there is no other. `quantisation` is all that edgeq's own quantiser found out.
    """

    name: str
    float_top1: float
    qdq_top1: float | None
    int8_top1: float | None
    not_integer: str
    samples: int
    observer: str
    effects: tuple[Effect, ...]
    warnings: tuple[str, ...]
    sqnr: tuple[tuple[str, str, float], ...]
    output: Path
    moved: tuple[Moved, ...] = ()
    quantisation: Quantisation | None = None

    @property
    def scores(self) -> list[tuple[str, float]]:
        """What was scored, and its top-1 as a share."""
        named = (("float", self.float_top1), ("INT8, simulated", self.qdq_top1), ("INT8, integer", self.int8_top1))
        return [(name, top1) for name, top1 in named if top1 is not None]

    def html(self) -> str:
        """All of it as a page that needs nothing but itself."""
        return quantisation_html(self.name, self.scores, self.samples, self.moved, self.quantisation)

    def as_json(self) -> dict[str, Any]:
        """For `--json`; what lost nothing has null dB."""
        repairs = [
            {"repair": e.repair, "before_db": _finite(e.before_db), "after_db": _finite(e.after_db), "kept": e.kept}
            for e in self.effects
        ]
        rows = [{"name": n, "shape": s, "db": _finite(db)} for n, s, db in self.sqnr]
        known = self.quantisation.model_dump(mode="json") if self.quantisation else None
        pairs = [pair.model_dump() for pair in self.moved]
        flat = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **flat, "effects": repairs, "sqnr": rows, "output": str(self.output), "moved": pairs, "quantisation": known,
        }  # fmt: skip


def _finite(db: float) -> float | None:
    return db if math.isfinite(db) else None


def quantise_to(model: str, output: Path | None, options: QuantiseOptions, progress: Progress) -> Quantised:
    """Quantises a float model and writes the QDQ ONNX file; of a Keras model the `.tflite`."""
    source = resolve(model)
    if source.kind == "keras":
        return _keras_to(source, output or Path("model.tflite"), options, progress)
    if source.kind != "torch":
        raise Unsupported("is quantised already", where=model, hint="`edgeq convert` takes QDQ ONNX")
    return _torch_to(source, output or Path("model.onnx"), options, progress)


def _keras_to(source: Source, output: Path, options: QuantiseOptions, progress: Progress) -> Quantised:
    if output.suffix == ".onnx":
        raise BadInput("of a Keras model, TensorFlow makes a .tflite", where=str(output), hint="-o model.tflite")
    progress.step("quantise")
    done = load_keras(source, options, progress)
    with source.errors():
        model = load_tflite(done.tflite, done.recipe.name)
    write_file(output, model.tflite)
    progress.step("score the integer network")
    held_out = done.held_out
    int8_classes = integer_answers(model.graph, as_int8(model.graph, held_out.inputs_nhwc), progress)
    return Quantised(
        model.name, held_out.share_right(done.float_classes), None, held_out.share_right(int8_classes), "",
        len(held_out.labels), "TensorFlow", (), done.warnings, (), output,
        moved(done.float_classes, int8_classes, held_out.labels, done.recipe.labels),
    )  # fmt: skip


def _torch_to(source: Source, output: Path, options: QuantiseOptions, progress: Progress) -> Quantised:
    progress.step("quantise")
    done = quantise_torch(load_torch(source, options, progress), options, progress)
    write_file(output, done.onnx_bytes)
    rows = tuple((a.name, "x".join(str(d) for d in a.shape), a.sqnr_db) for a in done.activations)
    progress.step("score the integer network")
    int8_classes, int8_top1, not_integer = done.qdq_classes, None, ""
    try:
        graph = convert(done.onnx_bytes, done.name).graph
        inputs = as_int8(graph, done.held_out.inputs_nhwc)
        int8_classes = integer_answers(graph, inputs, progress)
        int8_top1 = done.held_out.share_right(int8_classes)
    except Unsupported as error:
        not_integer = f"not run: {error.what}"
    changed = moved(done.float_classes, int8_classes, done.held_out.labels, done.labels)
    return Quantised(
        done.name, done.float_top1, done.qdq_top1, int8_top1, not_integer, len(done.held_out.labels), done.observer,
        done.effects, done.warnings, rows, output, changed, quantisation_of(done, options.effort),
    )  # fmt: skip


def convert_to(file: Path, output: Path) -> dict[str, str | int]:
    """Converts a QDQ ONNX file, or reads a `.tflite`, and writes the `.tflite` anew; returns what it holds."""
    data, source = read_file(file), Source("onnx", str(file), file.stem)
    with source.errors():
        converted = rewrite(data, source.name) if is_tflite(data) else convert(data, source.name)
    write_file(output, converted.tflite)
    graph = converted.graph
    counts: dict[str, int] = {}
    for node in graph.nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    return {
        "file": str(output),
        "bytes": len(converted.tflite),
        "macs": ops.macs(graph),
        "operators": ", ".join(f"{count} {op}" for op, count in sorted(counts.items())),
    }


def build_to(
    runner: Runner, board_name: str, output: Path, progress: Progress, *, sanitize: bool
) -> dict[str, str | int]:
    """Builds a virtual board's firmware into a folder; returns its sizes in bytes."""
    board = load_board(board_name)
    with folder_for(output):
        firmware = boards.build(runner, board, output, progress, sanitize=sanitize)
    return {"target": runner, "app_bytes": len(firmware.app_image), **asdict(firmware.sizes), "folder": str(output)}


def flash_run(path: Path, port: str, progress: Progress) -> FlashResult:
    """Writes a finished run's application and model to the board behind `port`."""
    run = RunFolder.open(path)
    board = load_board(str(json.loads(run.read(LOCK)).get("board")))
    bootloader = run.read(BOOTLOADER) if run.has(BOOTLOADER) else b""  # which real boards alone have
    if not bootloader and not port.startswith(("socket://", "rfc2217://")):
        raise Unsupported(
            "the run holds the firmware of a virtual board", where=port, hint="socket://HOST:PORT of `edgeq virtual`"
        )
    progress.step("flash")
    present = boards.present_flash(port, board)
    contents = boards.flash_contents(
        board, run.read(APP), run.read(MODEL_IMAGE), bootloader=bootloader, present=present
    )
    return boards.flash_board(port, board, contents, progress)
