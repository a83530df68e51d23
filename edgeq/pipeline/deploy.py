"""`edgeq deploy`: a model onto a board, verified and measured."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeq.boards.board import Board, load_board
from edgeq.errors import BadInput
from edgeq.pipeline import board as boards
from edgeq.pipeline import on_board
from edgeq.pipeline.bench import check_runs
from edgeq.pipeline.board import Runner
from edgeq.pipeline.build_for import Built, Target, prepare_and_build
from edgeq.pipeline.engines import Choice, runner_for
from edgeq.pipeline.prepare import QuantiseOptions
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import CONSOLE, RunFolder
from edgeq.pipeline.source import resolve
from edgeq.pipeline.write_report import write_report
from edgeq.report.model import Report
from edgeq.toolchain.esp_idf import find_esp_idf

DEFAULT_BOARD = "esp32-wrover-b"
DEFAULT_RUNS = 10
DEFAULT_OPTIONS = QuantiseOptions()


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
        built = prepare_and_build(source, options, target, run, progress)
        with _port(target, port) as there:
            log: list[bytes] = []
            flashed = on_board.flash(built, there, progress)
            with boards.session(there, log) as talk:
                report = on_board.verify_and_measure(
                    built, talk, engine, runs, flashed=flashed, progress=progress, command=command
                )
        run.write(CONSOLE, b"".join(log))
        progress.step("report")
        run.write_lock(_facts(built))
        write_report(run, report)
    return report


def _target(board: Board, engine: Choice, runner: Runner | None, port: str | None, progress: Progress) -> Target:
    """Raises ToolMissing before minutes of work where nothing could build the firmware."""
    if port is None:
        return Target(board, engine, runner_for(engine, runner, progress))
    if runner is not None:
        raise BadInput("a port is of a real board, a runner of a virtual one", where=port, hint=f"no --runner {runner}")
    find_esp_idf()
    return Target(board, engine)


@contextlib.contextmanager
def _port(target: Target, port: str | None) -> Iterator[str]:
    """The port that was given, or a virtual board's."""
    if port is not None:
        yield port
    elif target.runner is not None:
        with boards.virtual_board(target.runner, target.board) as virtual:
            yield virtual.url


def _facts(built: Built) -> dict[str, Any]:
    """What `lock.json` says beside the hashes."""
    prepared, target = built.prepared, built.target
    return {
        "model": prepared.model.name, "board": target.board.name, "runner": target.name, "engine": target.engine,
        "made_from": prepared.facts, "versions": on_board.versions(), "labels": list(prepared.labels),
    }  # fmt: skip
