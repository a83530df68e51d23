"""run: one's own pictures through the model on a board."""

from __future__ import annotations

import functools
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import console
from edgeq.cli.options import Json
from edgeq.errors import BadInput
from edgeq.pipeline.facts import count_in
from edgeq.pipeline.picture_files import open_set, read_picture
from edgeq.pipeline.run_images import (
    Answer,
    ClassScore,
    Pictures,
    Place,
    Scored,
    answer_json,
    board_to_run,
    scored_json,
)
from edgeq.report.wording import cycles_as_time, percent, quantity

_WORST_CLASSES = 5
_TAKEN_FOR = 3


class Side(StrEnum):
    """Who makes the network's input of a picture. The bytes are the same."""

    auto = "auto"
    board = "board"
    tool = "tool"


_PLACES: dict[Side, Place | None] = {Side.auto: None, Side.board: "board", Side.tool: "tool"}


@console.command
def run(
    image: Annotated[Path | None, typer.Argument(metavar="IMAGE", help="An image file.")] = None,
    port: Annotated[str | None, typer.Option("--port", help="The port of a board with a model in its flash.")] = None,
    run_folder: Annotated[
        Path | None, typer.Option("--run", metavar="RUN", help="Boot a virtual board from the folder of a run.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="digits, an .npz, or a folder of class folders: prints the accuracy.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many labels of an image.")] = 3,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="So many of the data, drawn at random.")] = None,
    trigger: Annotated[bool, typer.Option("--trigger", help="Let the board's trigger pin start the run.")] = False,
    preprocess: Annotated[Side, typer.Option("--preprocess", help="Who preprocesses; auto sends less.")] = Side.auto,
    engine: Annotated[str | None, typer.Option("--engine", help="native or tflm, where the firmware has both.")] = None,
    json_output: Json = False,
) -> None:
    """Label an image on a board, or score a data set there."""
    if (image is None) == (data is None):
        raise BadInput("say what to run", hint="an IMAGE, or --data D")
    if trigger and image is None:
        raise BadInput("--trigger runs one image", hint="leave out --data")
    picture = None if image is None else read_picture(image)
    with console.progress() as progress, board_to_run(port, run_folder) as talk:
        board = Pictures(talk, _PLACES[preprocess], engine)
        if picture is None:
            progress.step("score")
            pictures = open_set(str(data), board.names(), board.classes, board.rule.white)
            scored = board.score(pictures, limit, progress)
            found, show = scored_json(board, scored), functools.partial(_show_scored, board, scored)
        else:
            progress.step("run")
            answer = board.classify_triggered(picture, progress) if trigger else board.classify(picture)
            found, show = answer_json(board, answer, top), functools.partial(_show_answer, board, answer, top, trigger)
    if json_output:
        console.print_json(found)
    else:
        show()


def _show_answer(board: Pictures, answer: Answer, top: int, trigger: bool) -> None:
    rows = [
        (board.name(index), "–" if answer.choice is not None else f"{answer.scores[index]:.4f}")
        for index in answer.best(top)
    ]
    console.table("", ("label", "score"), rows)
    facts = [("model", board.model.name), ("engine", _engine(board)), ("latency", _latency(board, answer.ticks))]
    facts += [("preprocessed by the", answer.preprocessed)]
    if trigger:
        facts += [("started by the", f"trigger ({board.info.get('trigger')})")]
    console.say("")
    console.pairs(facts)


def _show_scored(board: Pictures, scored: Scored) -> None:
    latency = scored.latency()
    drawn = "" if scored.samples == scored.available else f" of {scored.available:,}, drawn at random"
    console.pairs(
        [
            ("model", board.model.name),
            ("engine", _engine(board)),
            ("data", f"{scored.data}: {scored.samples:,}{drawn}"),
            ("top-1", f"{percent(scored.top1)} ({scored.right:,} of {scored.samples:,})"),
            ("latency p50", _latency(board, latency["p50"])),
            ("latency p99", _latency(board, latency["p99"])),
            ("preprocessed by the", scored.preprocessed),
        ]
    )
    if worst := scored.worst(_WORST_CLASSES):
        console.say("")
        columns = ("worst classes", "right", "of", "taken for")
        console.table("", columns, [(board.name(r.index), r.right, r.samples, _taken_for(board, r)) for r in worst])


def _taken_for(board: Pictures, row: ClassScore) -> str:
    return ", ".join(f"{board.name(other)} ({times})" for other, times in row.taken_for[:_TAKEN_FOR])


def _engine(board: Pictures) -> str:
    return board.info.get("engine", "native")


def _latency(board: Pictures, ticks: float) -> str:
    text = quantity(ticks, board.unit)
    if board.unit == "cycles" and (hz := count_in(board.info, "clock_hz")):
        text += f" ({cycles_as_time(ticks, hz)})"
    return f"{text}, {board.basis}"
