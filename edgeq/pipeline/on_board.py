"""The second half of a deploy: what was built, onto the board behind a port, verified there and measured."""

from __future__ import annotations

import contextlib
import platform
from importlib import metadata

from edgeq import __version__, ops
from edgeq.errors import CheckFailed
from edgeq.flash.esptool import FlashResult
from edgeq.link.session import Session
from edgeq.pipeline import board as boards
from edgeq.pipeline import hops
from edgeq.pipeline.bench import measure_engines
from edgeq.pipeline.build_for import Built
from edgeq.pipeline.engines import Choice
from edgeq.pipeline.facts import arena_steps, board_facts, firmware_facts, flash_map
from edgeq.pipeline.hops import ACCURACY_DROP_MOST
from edgeq.pipeline.prepare import sha256
from edgeq.pipeline.progress import Progress
from edgeq.report.model import (
    Accuracy,
    Flash,
    Ledger,
    ModelFacts,
    Report,
    Sizes,
    Sqnr,
)


def flash(built: Built, port: str, progress: Progress) -> FlashResult:
    """Writes all of it with esptool, verified."""
    board, present = built.target.board, b""
    if built.target.runner is None:
        progress.step("read the board's flash")
        present = boards.present_flash(port, board)
    progress.step("flash")
    return boards.flash_board(port, board, built.contents(present), progress)


def verify_and_measure(
    built: Built,
    talk: Session,
    engine: Choice,
    runs: int,
    *,
    flashed: FlashResult | None,
    progress: Progress,
    command: str = "",
) -> Report:
    """Every step's output on the board, and its latency; with the hops of this machine, the report of the run."""
    progress.step("verify on the board")
    ledger = [*built.ledger, *hops.board_hops(talk, built.prepared, engine, progress)]
    progress.step("benchmark")
    measured = measure_engines(talk, engine, runs, progress)
    info, prepared = talk.info(), built.prepared
    model, graph = prepared.model, prepared.model.graph
    score, arena = prepared.accuracy, prepared.tflm_arena
    return Report(
        model=ModelFacts(
            name=model.name, input=graph.tensor(graph.inputs[0]).shape, macs=ops.macs(graph),
            params=prepared.params, sha256=sha256(model.tflite),
        ),
        board=board_facts(info, built.target.board),
        firmware=firmware_facts(info),
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
            scratch_bytes=measured[0].scratch_bytes, image_bytes=len(prepared.image), firmware_bytes=len(built.app),
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
        arena_steps=arena_steps(prepared.plan) if any(run.engine == "native" for run in measured) else (),
        flash_map=flash_map(built.contents().table, flashed.parts) if flashed else (),
        warnings=built.warnings,
    )  # fmt: skip


def failures(report: Report, drop_most: float = ACCURACY_DROP_MOST) -> list[str]:
    """Why a finished run is not good: hops that differ, accuracy that fell."""
    found = [f"the hop {hop.name} differs" for hop in report.ledger.hops if hop.status == "differs"]
    score = report.accuracy
    if score is not None and score.float_top1 - score.int8_top1 > drop_most:
        drop = 100 * (score.float_top1 - score.int8_top1)
        found.append(f"INT8 top-1 is {drop:.2f} points below float; {100 * drop_most:g} are allowed")
    return found


def require_good(report: Report) -> None:
    """CheckFailed where a finished deploy is not good."""
    if found := failures(report):
        raise CheckFailed("; ".join(found), where=report.model.name, hint="see the ledger in report.html")


def versions() -> dict[str, str]:
    """edgeq's own version and those of what the numbers rest on."""
    found = {"edgeq": __version__, "python": platform.python_version()}
    for package in ("torch", "torchao", "onnx", "onnxruntime", "ai-edge-litert", "tflite-micro", "esptool", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
