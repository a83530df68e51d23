"""deploy, verify, bench, report: a model onto a board, and what is known of it there."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import console
from edgeq.cli.options import (
    BoardName,
    DataOption,
    EffortName,
    EffortOption,
    EngineName,
    EngineOption,
    ExplainOption,
    InputShapeOption,
    Json,
    ObserverOption,
    Out,
    Port,
    QatOption,
    RunnerName,
    RunnerOption,
)
from edgeq.cli.options import input_shape as shape_of
from edgeq.errors import BadInput
from edgeq.pipeline import bench as bench_step
from edgeq.pipeline import board as boards
from edgeq.pipeline import deploy as deploy_step
from edgeq.pipeline import on_board
from edgeq.pipeline import verify as verify_step
from edgeq.pipeline.pages import pages
from edgeq.pipeline.prepare import QuantiseOptions
from edgeq.pipeline.run_folder import REPORT, REPORT_HTML, read_file, write_file
from edgeq.report.model import to_json
from edgeq.report.text import bench_text, ledger_text, report_text
from edgeq.report.validate import read_report


@console.command
def deploy(
    model: Annotated[
        str,
        typer.Argument(
            help="A folder with model.toml, .onnx, .pt2, .keras, .h5, .tflite, file.py:factory; or the zoo's."
        ),
    ],
    output: Out = Path("run"),
    data: DataOption = None,
    input_shape: InputShapeOption = None,
    board: BoardName = deploy_step.DEFAULT_BOARD,
    port: Annotated[str | None, typer.Option("--port", help="A real board's port; without it, a virtual one.")] = None,
    runner: RunnerOption = None,
    engine: EngineOption = EngineName.native,
    runs: Annotated[int, typer.Option("--runs", "-n", help="Inferences to measure.")] = deploy_step.DEFAULT_RUNS,
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One weight scale per tensor.")] = False,
    observer: ObserverOption = None,
    effort: EffortOption = EffortName.quick,
    qat: QatOption = 0,
    explain: ExplainOption = False,
    json_output: Json = False,
) -> None:
    """Quantise, convert, plan, build, flash, verify, benchmark and report."""
    with console.progress() as progress:
        report = deploy_step.deploy(
            model, output, board_name=board, port=port, runner=runner.value if runner else None,
            engine=engine.value, runs=runs,
            options=QuantiseOptions(
                not per_tensor, observer.value if observer else None, effort=effort.value, data=data,
                input_shape=shape_of(input_shape), explain=explain, qat_epochs=qat,
            ),
            progress=progress, command=_command_line(),
        )  # fmt: skip
    if json_output:
        console.print_json(report.model_dump(mode="json", by_alias=True))
    else:
        console.lines([*report_text(report), "", str(output / REPORT_HTML)])
    on_board.require_good(report)


@console.command
def verify(
    what: Annotated[Path, typer.Argument(metavar="RUN|FILE.tflite", help="The folder of a run, or a bare model.")],
    inputs: Annotated[str, typer.Option("--inputs", help="For a bare file: random:N.")] = "random:16",
    seed: Annotated[int, typer.Option("--seed", min=0, help="For a bare file: of the random inputs.")] = 0,
    board: BoardName = deploy_step.DEFAULT_BOARD,
    runner: RunnerOption = None,
    engine: EngineOption = EngineName.native,
    json_output: Json = False,
) -> None:
    """Run the equality ledger again: every hop, every tensor; name the first that differs."""
    with console.progress() as progress:
        if what.is_dir():
            ledger = verify_step.verify_run(what, progress)
        else:
            ledger = verify_step.verify_file(
                what, inputs=_count(inputs), seed=seed, board_name=board,
                runner=runner.value if runner else None, engine=engine.value, progress=progress,
            )  # fmt: skip
    if json_output:
        console.print_json({"hops": [hop.model_dump(mode="json") for hop in ledger]})
    else:
        console.lines(ledger_text(ledger))
    verify_step.require_equal(ledger)


@console.command
def bench(
    port: Port,
    engine: Annotated[
        EngineName | None, typer.Option("--engine", help="Engine of the board's firmware; else the one in use.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", "-n", help="Inferences to measure.")] = deploy_step.DEFAULT_RUNS,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.json", help="Write what was measured to this file.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Measure the model that lies in a board's flash, over its serial console."""
    with console.progress() as progress, boards.session(port) as talk:
        found = bench_step.bench(talk, engine.value if engine else None, runs, progress, _command_line())
    if output:
        write_file(output, to_json(found).encode())
    if json_output:
        console.print_json(found.model_dump(mode="json", by_alias=True))
        return
    console.lines(bench_text(found))


@console.command
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    json_output: Json = False,
) -> None:
    """Show a run's report again and write its HTML, Markdown and JUnit anew from report.json."""
    path = run / REPORT
    found = read_report(read_file(path), where=str(path))
    for name, page in pages(found).items():
        write_file(run / name, page)
    if json_output:
        console.print_json(found.model_dump(mode="json", by_alias=True))
    else:
        console.lines(report_text(found))


def _command_line() -> str:
    return shlex.join(["edgeq", *sys.argv[1:]])


def _count(inputs: str) -> int:
    kind, _, number = inputs.partition(":")
    if kind != "random" or not number.isdecimal() or len(number) > 9:
        raise BadInput(f"--inputs takes random:N, not {inputs!r}", hint="--inputs random:16")
    return int(number)


__all__ = ["RunnerName", "bench", "deploy", "report", "verify"]
