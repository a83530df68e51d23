"""fit: whether a model fits a board, as bars."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from edgeq.cli import console
from edgeq.cli.options import BoardName, Json
from edgeq.errors import DoesNotFit
from edgeq.images.layout import APP_LEAST_BYTES
from edgeq.pipeline.deploy import DEFAULT_BOARD
from edgeq.pipeline.fit import Fit, Use
from edgeq.pipeline.fit import fit as fit_step
from edgeq.report.wording import brief, quantity, size

_BAR_WIDTH = 24
_BESIDE_THE_BAR = 74  # cells of a row that are no bar, at most


@console.command
def fit(
    what: Annotated[str, typer.Argument(metavar="FILE|RUN", help="An int8 .tflite, a QDQ .onnx, or a run folder.")],
    board: BoardName = DEFAULT_BOARD,
    json_output: Json = False,
) -> None:
    """Show what a model takes of flash and memory on a board, before anything is flashed."""
    found = fit_step(what, board)
    if json_output:
        console.print_json(_as_json(found))
        raise typer.Exit(0 if found.fits else DoesNotFit.exit_code)
    _print(found)
    if not found.fits:
        raise DoesNotFit("; ".join(found.problems), where=found.board.name, hint="; or ".join(found.advice))


def _print(found: Fit) -> None:
    needs, board = found.needs, found.board
    console.say(f"{needs.name} on {board.name}: {'fits' if found.fits else 'does not fit'}\n")
    rows = [_row("flash", use) for use in found.flash]
    rows.append(_row("memory", found.scratch))
    for engine in found.engines:
        if engine.arena is not None:
            rows.append(_row(engine.engine, engine.arena))
        rows.append(_row(engine.engine, engine.window))
    console.table("", ("", "", "", "bytes", "of", "", ""), rows)
    console.say("")
    console.pairs(_remarks(found))


def _remarks(found: Fit) -> list[tuple[str, str]]:
    chip, cores = found.board.chip, found.board.chip.cores
    slots = {
        0: "none is large enough",
        1: "one: an update that is interrupted leaves the board without a model",
        2: "two: an update that is interrupted leaves the old model running",
    }[found.slots]
    bound = f"at least {quantity(found.bound_s * 1e9, 'ns')} on one core"
    if cores > 1:
        bound += f", {quantity(found.bound_s * 1e9 / cores, 'ns')} on {cores}"
    rows = [("model slots", slots)]
    if not found.needs.app_bytes:
        rows.append(("firmware", f"not built yet; {size(APP_LEAST_BYTES)} of flash are set aside for it"))
    for engine in found.engines:
        if engine.problem:
            rows.append((engine.engine, f"does not run: {engine.problem}"))
        elif engine.placement is not None and engine.placement.where == "psram":
            rows.append((engine.engine, f"its arena lies in PSRAM, which is slower: {engine.placement.why}"))
        elif engine.arena is None:
            rows.append(
                (engine.engine, "its arena is not known here: the interpreter is not installed or refuses the model")
            )
    per_cycle = f"{chip.macs_per_cycle} a cycle at {found.board.clock_hz // 10**6} MHz"
    rows.append(("MACs", f"{brief(found.needs.macs)}, {bound}: a bound ({per_cycle}), no estimate"))
    return rows


def _row(part: str, use: Use) -> tuple[str, ...]:
    number = ("<= " if use.bound else "") + size(use.bytes)
    share = f"{100 * use.bytes / use.capacity:.0f} %" if use.capacity else "-"
    return part, use.what, _bar(use), number, size(use.capacity), share, use.remark


def _bar(use: Use) -> str:
    """Full cells for what is taken, at least one for anything; a mark behind the end where it is too much."""
    full, empty, over = ("█", "░", "▶") if console.out.is_terminal else ("#", ".", ">")
    width = min(max(console.out.width - _BESIDE_THE_BAR, 1), _BAR_WIDTH)
    share = use.bytes / use.capacity if use.capacity else float(use.bytes > 0)
    cells = min(max(round(share * width), use.bytes > 0), width)
    return full * cells + empty * (width - cells) + (" " if use.fits else over)


def _as_json(found: Fit) -> dict[str, Any]:
    return {
        "fits": found.fits,
        "board": found.board.name,
        "model": asdict(found.needs),
        "flash": [asdict(use) for use in found.flash],
        "slots": found.slots,
        "scratch": asdict(found.scratch),
        "engines": [asdict(engine) | {"runs": not engine.problem} for engine in found.engines],
        "bound": {
            "one_core_s": found.bound_s,
            "all_cores_s": found.bound_s / found.board.chip.cores,
            "macs_per_cycle": found.board.chip.macs_per_cycle,
            "clock_hz": found.board.clock_hz,
        },
        "problems": list(found.problems),
        "advice": list(found.advice),
    }
