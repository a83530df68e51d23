"""build: a board's firmware."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeq.boards.board import load_board
from edgeq.cli import console
from edgeq.cli.options import BoardName, EngineName, EngineOption, Json, Out, RunnerOption
from edgeq.pipeline import board as boards
from edgeq.pipeline import esp_idf, making
from edgeq.pipeline.deploy import DEFAULT_BOARD
from edgeq.pipeline.esp_idf import Wanted
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import write_file
from edgeq.report.wording import percent
from edgeq.toolchain.esp_idf import IdfBuild
from edgeq.toolchain.esp_idf_project import Application, Engine

_BAR_WIDTH = 24


class EmbedName(StrEnum):
    """Where a real board's model lies."""

    PARTITION = "partition"
    ARRAY = "array"


@console.command
def build(
    output: Out = Path("firmware-build"),
    board: BoardName = DEFAULT_BOARD,
    engine: EngineOption = EngineName.native,
    embed: Annotated[
        EmbedName, typer.Option("--embed", help="The model in its own partition, or as a C array in the firmware.")
    ] = EmbedName.PARTITION,
    model: Annotated[
        Path | None, typer.Option("--model", help="A run's folder, or its model.image: what --embed array builds in.")
    ] = None,
    arena_from: Annotated[
        Path | None, typer.Option("--arena-from", help="Trim the arena to what this run's model used.")
    ] = None,
    generate_only: Annotated[
        bool, typer.Option("--generate-only", help="Write the ESP-IDF project, do not build it.")
    ] = False,
    runner: RunnerOption = None,
    sanitize: Annotated[bool, typer.Option("--sanitize", help="--runner host only: with ASan and UBSan.")] = False,
    json_output: Json = False,
) -> None:
    """Build a board's firmware with ESP-IDF, or with --runner a virtual board's."""
    if runner is not None or sanitize:
        _virtual(runner.value if runner else "host", board, output, sanitize, json_output)
        return
    wanted = Wanted(
        board=load_board(board),
        engines=_ENGINES[engine],
        embed=embed.value,
        image=esp_idf.read_image(model) if model else None,
        arena_bytes=esp_idf.arena_from(arena_from) if arena_from else None,
    )
    with console.progress() as progress:
        progress.step("generate")
        app = esp_idf.application(wanted)
        built = _make(app, output, generate_only, progress)
    if json_output:
        console.print_json(_as_json(app, built, output))
    else:
        _show(app, built, output)


_ENGINES: dict[EngineName, tuple[Engine, ...]] = {
    EngineName.native: ("native",),
    EngineName.tflm: ("tflm",),
    EngineName.both: ("native", "tflm"),
}


def _virtual(runner: boards.Runner, board: str, output: Path, sanitize: bool, json_output: bool) -> None:
    with console.progress() as progress:
        progress.step("build firmware")
        firmware = making.build_to(runner, board, output, progress, sanitize=sanitize)
    if json_output:
        console.print_json(firmware)
    else:
        console.pairs([(name, f"{v:,}" if isinstance(v, int) else str(v)) for name, v in firmware.items()])


def _make(app: Application, output: Path, generate_only: bool, progress: Progress) -> IdfBuild | None:
    folder = output / esp_idf.PROJECT
    if generate_only:
        esp_idf.generate(app, folder)
        return None
    built = esp_idf.build(app, folder, progress)
    for name, data in esp_idf.results(app, built).items():
        write_file(output / name, data)
    return built


def _as_json(app: Application, built: IdfBuild | None, output: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "board": app.board.name,
        "engines": list(app.engines),
        "arena_bytes": app.arena_bytes,
        "arena_in": "psram" if app.arena_in_psram else "internal RAM",
        "scratch_bytes": app.scratch_bytes,
        "project": str(output / esp_idf.PROJECT),
    }
    if built is not None:
        facts["app_bytes"] = len(built.app)
        facts["regions"] = [{"name": r.name, "used": r.used, "size": r.size} for r in built.regions]
    return facts


def _show(app: Application, built: IdfBuild | None, output: Path) -> None:
    facts = _as_json(app, built, output)
    facts.pop("regions", None)
    shown = {**facts, "engines": ", ".join(app.engines)}
    console.pairs([(name, f"{v:,}" if isinstance(v, int) else str(v)) for name, v in shown.items()])
    console.say("")
    if built is None:
        console.say(f"cd {output / esp_idf.PROJECT} && idf.py build")
        return
    rows = [(r.title, r.used, r.size, f"{_bar(r.used / r.size)} {percent(r.used / r.size)}") for r in built.regions]
    console.table("", ("memory", "used", "of", ""), rows)


def _bar(share: float) -> str:
    full = round(min(share, 1.0) * _BAR_WIDTH)
    return "█" * full + "░" * (_BAR_WIDTH - full)
