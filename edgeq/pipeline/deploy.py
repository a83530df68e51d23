"""`edgeq deploy`: a model onto a board, verified and measured."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edgeq import __version__, ops
from edgeq.bench.ledger import HopResult
from edgeq.boards.board import Board, load_board
from edgeq.errors import BadInput, CheckFailed
from edgeq.flash.esptool import FlashResult
from edgeq.images.partitions import write_partition_table
from edgeq.link.session import Session
from edgeq.pipeline import board as boards
from edgeq.pipeline import esp_idf, hops
from edgeq.pipeline.bench import check_runs, measure_engines
from edgeq.pipeline.board import FlashContents, Runner
from edgeq.pipeline.engines import Choice, engines_of, runner_for
from edgeq.pipeline.hops import ACCURACY_DROP_MOST
from edgeq.pipeline.prepare import Prepared, QuantiseOptions, prepare, sha256
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import (
    APP,
    CONSOLE,
    LEDGER,
    MAP,
    PARTITIONS,
    REPORT,
    REPORT_HTML,
    REPORT_MARKDOWN,
    RunFolder,
)
from edgeq.pipeline.source import resolve
from edgeq.report.html import html
from edgeq.report.markdown import markdown
from edgeq.report.model import (
    Accuracy,
    BoardFacts,
    EngineRun,
    Flash,
    Ledger,
    ModelFacts,
    Report,
    Sizes,
    Sqnr,
    to_json,
)
from edgeq.report.validate import check
from edgeq.toolchain.esp_idf import find_esp_idf

DEFAULT_BOARD = "esp32-wrover-b"
DEFAULT_RUNS = 10
REAL = "esp-idf"  # in place of a runner
DEFAULT_OPTIONS = QuantiseOptions()


@dataclass(frozen=True)
class _Target:
    """Where the model goes: to a virtual board that `virtual` executes, or, behind `port`, to a real one."""

    board: Board
    engine: Choice
    virtual: Runner = "host"
    port: str | None = None

    @property
    def name(self) -> str:
        """What the lock file calls it."""
        return self.virtual if self.port is None else REAL


def deploy(
    model: str,
    out: Path,
    *,
    board_name: str = DEFAULT_BOARD,
    port: str | None = None,
    runner: Runner | None = None,
    engine: Choice = "native",
    runs: int = DEFAULT_RUNS,
    options: QuantiseOptions = DEFAULT_OPTIONS,
    progress: Progress,
    command: str = "",
) -> Report:
    """Quantise, convert, plan, build, flash, verify, measure, report; every file of the way lies in `out`."""
    source, board = resolve(model), load_board(board_name)
    check_runs(runs)
    target = _target(board, engine, runner, port, progress)
    with RunFolder.create(out) as run:
        prepared = prepare(source, options, board, run, progress)
        boards.check_fits(board, prepared.plan.arena_bytes, prepared.plan.scratch_bytes)
        if engine != "native" and prepared.tflm_arena:
            boards.check_fits(board, prepared.tflm_arena.chip_bytes, 0)
        if target.port is None:
            contents = _build(target, prepared, run, progress)
        else:
            contents = _build_real(target, target.port, prepared, out / esp_idf.PROJECT, run, progress)
        report = _on_the_board(target, prepared, contents, runs, run, progress, command)
        _write(run, report, prepared, target)
    return report


def _target(board: Board, engine: Choice, runner: Runner | None, port: str | None, progress: Progress) -> _Target:
    """Raises ToolMissing before minutes of work where nothing could build the firmware."""
    if port is None:
        return _Target(board, engine, virtual=runner_for(engine, runner, progress))
    if runner is not None:
        raise BadInput("a port is of a real board, a runner of a virtual one", where=port, hint=f"no --runner {runner}")
    find_esp_idf()
    return _Target(board, engine, port=port)


def _on_the_board(
    target: _Target, prepared: Prepared, contents: FlashContents, runs: int, run: RunFolder, progress: Progress,
    command: str,
) -> Report:  # fmt: skip
    """Flash, verify, measure."""
    log: list[bytes] = []
    board, engine = target.board, target.engine
    with _flashed(target, contents, progress, log) as (flashed, talk):
        progress.step("verify")
        ledger = hops.software_hops(prepared, progress)
        if target.name != "host":
            ledger.append(hops.host_hop(prepared, board, progress))
        ledger += hops.board_hops(talk, prepared, engine, progress)
        progress.step("benchmark")
        measured = measure_engines(talk, engine, runs, progress)
        kind = talk.info()["kind"]
    run.write(CONSOLE, b"".join(log))

    progress.step("report")
    facts = BoardFacts(
        name=board.name, kind=kind, flash_bytes=board.flash_bytes,  # type: ignore[arg-type]  # pydantic checks it
        arena_bytes=board.arena_bytes, scratch_bytes=board.scratch_bytes,
    )  # fmt: skip
    return _report(prepared, facts, measured, len(run.read(APP)), flashed, ledger, command)


def failures(report: Report) -> list[str]:
    """Why a finished deploy is not good: hops that differ, accuracy that fell."""
    found = [f"the hop {hop.name} differs" for hop in report.ledger.hops if hop.status == "differs"]
    score = report.accuracy
    if score is not None and score.float_top1 - score.int8_top1 > ACCURACY_DROP_MOST:
        drop = 100 * (score.float_top1 - score.int8_top1)
        found.append(f"INT8 top-1 is {drop:.2f} points below float; {100 * ACCURACY_DROP_MOST:g} are allowed")
    return found


def require_good(report: Report) -> None:
    """CheckFailed where a finished deploy is not good."""
    if found := failures(report):
        raise CheckFailed("; ".join(found), where=report.model.name, hint="see the ledger in report.html")


def _build(target: _Target, prepared: Prepared, run: RunFolder, progress: Progress) -> FlashContents:
    progress.step("build firmware")
    firmware = boards.build(target.virtual, target.board, run.path, progress)
    contents = boards.flash_contents(target.board, firmware.app_image, prepared.image)
    run.write(APP, firmware.app_image, locked=True)
    run.write(PARTITIONS, write_partition_table(contents.table), locked=True)
    return contents


def _build_real(
    target: _Target, port: str, prepared: Prepared, project: Path, run: RunFolder, progress: Progress
) -> FlashContents:
    """The project stays, so that the next deploy compiles what changed alone."""
    app = esp_idf.application(esp_idf.Wanted(target.board, engines_of(target.engine), image=prepared.image))
    built = esp_idf.build(app, project, progress)
    progress.step("read the board's flash")
    present = boards.present_flash(port, target.board)
    contents = esp_idf.contents(app, built, prepared.image, present=present)
    for name, data in {**esp_idf.results(app, built), PARTITIONS: write_partition_table(contents.table)}.items():
        run.write(name, data, locked=name != MAP)
    return contents


@contextlib.contextmanager
def _flashed(
    target: _Target, contents: FlashContents, progress: Progress, log: list[bytes]
) -> Iterator[tuple[FlashResult, Session]]:
    """The board, flashed by an unmodified esptool, and a conversation with it."""
    with contextlib.ExitStack() as stack:
        port = target.port
        if port is None:
            port = stack.enter_context(boards.virtual_board(target.virtual, target.board)).url
        progress.step("flash")
        flashed = boards.flash_board(port, target.board, contents, progress)
        yield flashed, stack.enter_context(boards.session(port, log))


def _report(
    prepared: Prepared,
    board: BoardFacts,
    measured: tuple[EngineRun, ...],
    firmware_bytes: int,
    flashed: FlashResult | None,
    ledger: list[HopResult],
    command: str,
) -> Report:
    model, graph = prepared.model, prepared.model.graph
    score, arena = prepared.accuracy, prepared.tflm_arena
    return Report(
        model=ModelFacts(
            name=model.name, input=graph.tensor(graph.inputs[0]).shape, macs=ops.macs(graph),
            params=prepared.params, sha256=sha256(model.tflite),
        ),
        board=board,
        engine=measured[0].engine,
        engine_version=measured[0].version,
        accuracy=Accuracy(
            float_top1=score.float_top1, int8_top1=score.int8_top1, samples=score.samples,
            qdq_top1=score.qdq_top1, moved=score.moved,
        )
        if score
        else None,
        sizes=Sizes(
            tflite_bytes=len(model.tflite), arena_bytes=measured[0].arena_bytes,
            scratch_bytes=measured[0].scratch_bytes, image_bytes=len(prepared.image), firmware_bytes=firmware_bytes,
            tflm_arena_bytes=arena.host_bytes if arena else None,
            tflm_arena_bound_bytes=arena.chip_bytes if arena else None,
        ),
        flash=Flash(bytes=flashed.bytes, seconds=round(flashed.seconds, 2), verified=flashed.verified)
        if flashed
        else None,
        ledger=Ledger(hops=hops.to_report(ledger)),
        latency=measured[0].latency,
        engines=measured if len(measured) > 1 else (),
        sqnr=tuple(Sqnr(name=name, db=db if abs(db) < 1e3 else None) for name, db in prepared.sqnr),
        quantisation=prepared.quantisation,
        command=command,
        versions=versions(),
    )  # fmt: skip


def _write(run: RunFolder, report: Report, prepared: Prepared, target: _Target) -> None:
    text = to_json(report)
    check(report.model_dump(mode="json", by_alias=True))
    run.write(LEDGER, hops.to_json(report.ledger.hops))
    run.write(REPORT_HTML, html(report).encode())
    run.write(REPORT_MARKDOWN, markdown(report).encode())
    facts: dict[str, Any] = {
        "model": prepared.model.name, "board": target.board.name, "runner": target.name, "engine": target.engine,
        "made_from": prepared.facts, "versions": versions(), "labels": list(prepared.labels),
    }  # fmt: skip
    run.write_lock(facts)
    run.write(REPORT, text.encode())


def versions() -> dict[str, str]:
    """edgeq's own version and those of what the numbers rest on."""
    found = {"edgeq": __version__, "python": platform.python_version()}
    for package in ("torch", "torchao", "onnx", "onnxruntime", "ai-edge-litert", "tflite-micro", "esptool", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
