"""Options that several commands share."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from edgeq.errors import BadInput

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Out = Annotated[Path, typer.Option("--output", "-o", help="Where to write.")]
BoardName = Annotated[str, typer.Option("--board", help="A board of `edgeq boards`, or a path to its TOML file.")]
Port = Annotated[str, typer.Option("--port", help="A serial port, socket://HOST:PORT or rfc2217://HOST:PORT.")]


DataOption = Annotated[
    str | None,
    typer.Option(
        "--data", help="digits, cifar10:PATH, a folder or zip of class folders, an .npz, or file.py:function."
    ),
]
InputShapeOption = Annotated[
    str | None, typer.Option("--input-shape", help="1xHxWxC of a factory's input; what has a model.toml says it there.")
]


def input_shape(text: str | None) -> tuple[Literal[1], int, int, int] | None:
    """`1x32x32x3` as numbers."""
    if text is None:
        return None
    found = re.fullmatch(r"1x([1-9]\d{0,4})x([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise BadInput(f"--input-shape takes 1xHxWxC, not {text!r}", hint="--input-shape 1x32x32x3")
    height, width, channels = map(int, found.groups())
    return 1, height, width, channels


class RunnerName(StrEnum):
    """What executes the firmware of a virtual board."""

    qemu_lx6 = "qemu_lx6"
    host = "host"


class EngineName(StrEnum):
    """What runs the model: the plan's own engine, TensorFlow Lite Micro, or one after the other."""

    native = "native"
    tflm = "tflm"
    both = "both"


class ObserverName(StrEnum):
    """How an activation's range is observed."""

    minmax = "minmax"
    moving_average = "moving-average"
    percentile = "percentile"
    entropy = "entropy"
    mse = "mse"
    auto = "auto"


class EffortName(StrEnum):
    """How much is done for accuracy."""

    quick = "quick"
    normal = "normal"
    best = "best"


class PresetName(StrEnum):
    """Settings under one name: `note` is per-tensor weights, min-max ranges, nothing repaired."""

    note = "note"


ObserverOption = Annotated[
    ObserverName | None, typer.Option("--observer", help="Range of activations; auto chooses for each by its error.")
]
EffortOption = Annotated[
    EffortName,
    typer.Option("--effort", help="normal corrects biases; best also equalises layers and rounds weights adaptively."),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Measure what each layer costs, by leaving one after the other in float.")
]
QatOption = Annotated[
    int,
    typer.Option(
        "--qat",
        metavar="EPOCHS",
        min=0,
        max=1000,
        help="Then train so many epochs with INT8's rounding, on the training part of the data.",
    ),
]
PresetOption = Annotated[
    PresetName | None, typer.Option("--preset", help="note: per-tensor weights, min-max ranges, nothing repaired.")
]
RunnerOption = Annotated[
    RunnerName | None,
    typer.Option("--runner", help="Virtual board: an emulated Xtensa core, or a process of this machine."),
]
EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="Native kernels, TensorFlow Lite Micro, or both side by side.")
]
