"""One attempt at a job on a board that is ours: flash it where it holds something else, verify, measure, judge."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from edgeq.compare import words
from edgeq.compare.compare import compare
from edgeq.compare.finding import Comparison
from edgeq.compare.gate import Gate
from edgeq.compare.subject import Subject, subject_of
from edgeq.errors import BoardTrouble, CheckFailed
from edgeq.flash.esptool import FlashResult
from edgeq.hil.jobs import Job
from edgeq.hil.limits import Limits, limits
from edgeq.hil.settings import Bench, ModelEntry
from edgeq.hil.watch import Watched
from edgeq.link.session import Session
from edgeq.pipeline import board as boards
from edgeq.pipeline import on_board
from edgeq.pipeline.build_for import Built
from edgeq.pipeline.engines import choose
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import CONSOLE, REPORT_HTML, RunFolder, write_file
from edgeq.pipeline.write_report import write_report
from edgeq.report.model import Report

_PAGES = threading.Lock()  # matplotlib, which draws the pages, has one state for all threads


@dataclass(frozen=True)
class Ask:
    """A job with all that it needs: what goes onto the board, what is asked of it, and what it is compared with."""

    job: Job
    built: Built
    model: ModelEntry
    bench: Bench
    folder: Path
    gate: Gate
    baseline: Subject | None


@dataclass(frozen=True)
class Verdict:
    """How an attempt ended that came to an end; `figures` is what a matrix shows of it."""

    result: Literal["passed", "failed"]
    reason: str
    figures: dict[str, Any]


def attempt(ask: Ask, port: str, stop: threading.Event, progress: Progress) -> Verdict:
    """Raises BoardTrouble, ToolMissing: infrastructure; Stopped. The job's folder then has the console alone."""
    log: list[bytes] = []
    allowed = limits(ask.built, ask.job.engine, ask.bench.runs, ask.bench.timeout_factor)
    with RunFolder.create(ask.folder) as run:
        try:
            report, wrong = _on_the_board(ask, port, allowed, log, stop, progress)
        except CheckFailed as e:
            return Verdict("failed", e.what, {})
        finally:
            write_file(ask.folder / CONSOLE, b"".join(log))
        progress.step("report")
        with _PAGES:
            write_report(run, report)
    compared = compare(ask.baseline, subject_of(report), ask.gate) if ask.baseline else None
    wrong += on_board.failures(report, ask.model.top1_drop_most) + _shortfall(ask, report) + _worse(compared)
    figures = {
        "p50": report.latency.p50, "unit": report.latency.unit, "basis": report.latency.basis,
        "flashed": report.flash is not None, "compared": ask.baseline is not None, "report": REPORT_HTML,
    }  # fmt: skip
    return Verdict("failed" if wrong else "passed", "; ".join(wrong or _uncompared(compared)), figures)


def _on_the_board(
    ask: Ask, port: str, allowed: Limits, log: list[bytes], stop: threading.Event, progress: Progress
) -> tuple[Report, list[str]]:
    """The report, and what the board itself finds wrong. Flashes what does not hold the job's images already."""
    built = ask.built
    door = partial(Watched, limit_s=allowed.job_s, stop=stop)
    session = partial(boards.session, port, log, patience=allowed.patience(), door=door)
    if not ask.bench.always_flash:
        progress.step("ask the board")
        ours = False
        try:
            with session() as talk:
                if ours := _is_ours(talk, built):
                    return _measured(ask, talk, None, progress)
        except BoardTrouble:
            if ours:
                raise  # else, whatever it holds, it is not that
    flashed = on_board.flash(built, port, progress)
    with session() as talk:
        _require_ours(talk, built)
        return _measured(ask, talk, flashed, progress)


def _measured(ask: Ask, talk: Session, flashed: FlashResult | None, progress: Progress) -> tuple[Report, list[str]]:
    engine, runs = ask.job.engine, ask.bench.runs
    report = on_board.verify_and_measure(ask.built, talk, engine, runs, flashed=flashed, progress=progress)
    progress.step("golden samples")
    choose(talk, engine)
    return report, list(_golden(talk))


def _is_ours(talk: Session, built: Built) -> bool:
    """Whether the board has just these images of application and model."""
    info = talk.info()
    if info.get("app_sha256") != boards.own_sha256(built.app).hex() or info.get("model", "none") == "none":
        return False
    return talk.model().image_sha256 == boards.own_sha256(built.prepared.image).hex()


def _require_ours(talk: Session, built: Built) -> None:
    """CheckFailed where the board, being flashed, refuses the model; BoardTrouble where it has another."""
    info = talk.info()
    if info.get("model", "none") == "none":
        raise CheckFailed(f"the board refuses the model: {info.get('model_error', 'it does not say why')}")
    if not _is_ours(talk, built):
        raise BoardTrouble("the board runs something else than was flashed", hint="does somebody else have it, too?")


def _golden(talk: Session) -> Iterator[str]:
    """The golden samples that the board itself finds different."""
    for index in range(talk.model().goldens):
        found = talk.selftest(index)
        if not found.equal:
            yield f"golden sample {index} differs at byte {found.first_difference}"


def _shortfall(ask: Ask, report: Report) -> list[str]:
    least, score = ask.model.top1_least, report.accuracy
    if least is None:
        return []
    if score is None:
        return ["top1_least is asked for, and the model has no data to be scored on"]
    if score.int8_top1 >= least:
        return []
    return [f"INT8 top-1 is {100 * score.int8_top1:.2f} %; {100 * least:g} % is the least"]


def _worse(compared: Comparison | None) -> list[str]:
    """What the gate says of this report beside the baseline."""
    return [words.headline(compared)] if compared and not compared.passed else []


def _uncompared(compared: Comparison | None) -> list[str]:
    """That a gate said yes without a look at the latency: of an emulated core beside a process, say."""
    findings = compared.findings if compared else ()
    return [f"latency not compared: {f.why}" for f in findings if (f.rule, f.verdict) == ("latency", "not compared")]
