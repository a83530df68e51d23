"""quantize, convert, inspect: the single steps that make a model's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import console
from edgeq.cli.explaining import print_moved, print_quantisation
from edgeq.cli.options import (
    DataOption,
    EffortName,
    EffortOption,
    ExplainOption,
    InputShapeOption,
    Json,
    ObserverOption,
    Out,
    PresetOption,
    QatOption,
)
from edgeq.cli.options import input_shape as shape_of
from edgeq.errors import BadInput
from edgeq.pipeline import making
from edgeq.pipeline.inspect import inspect as inspect_step
from edgeq.pipeline.prepare import QuantiseOptions
from edgeq.pipeline.run_folder import write_file
from edgeq.report.wording import percent


@console.command
def quantize(
    model: Annotated[
        str,
        typer.Argument(
            help="A folder with model.toml, float .onnx, .pt2, .keras, .h5, SavedModel, file.py:factory; or the zoo's."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; model.onnx, of Keras model.tflite.")
    ] = None,
    data: DataOption = None,
    input_shape: InputShapeOption = None,
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One weight scale per tensor.")] = False,
    observer: ObserverOption = None,
    effort: EffortOption = EffortName.quick,
    qat: QatOption = 0,
    preset: PresetOption = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Calibration samples.")] = 256,
    explain: ExplainOption = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="A page with all of it, and pictures.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Float to INT8 QDQ ONNX, of Keras to .tflite, with accuracy before and after and the SQNR of every layer."""
    if preset is not None and (observer is not None or effort is not EffortName.quick or qat):
        raise BadInput(f"--preset {preset} chooses observer and effort itself", hint="either the preset or the others")
    per_channel = not per_tensor and preset is None
    options = QuantiseOptions(
        per_channel,
        observer.value if observer else None,
        samples,
        effort.value,
        data,
        shape_of(input_shape),
        explain,
        qat,
    )
    with console.progress() as progress:
        done = making.quantise_to(model, output, options, progress)
    if report is not None:
        write_file(report, done.html().encode())
    if json_output:
        console.print_json(done.as_json())
        return
    console.pairs(
        [
            ("float top-1", percent(done.float_top1)),
            ("INT8 top-1, simulated", "-" if done.qdq_top1 is None else percent(done.qdq_top1)),
            ("INT8 top-1, integer", percent(done.int8_top1) if done.int8_top1 is not None else done.not_integer),
            ("held-out samples", str(done.samples)),
        ]
    )
    for warning in done.warnings:
        console.say(f"warning: {warning}")
    console.say("")
    if done.moved:
        print_moved(done.moved)
    if done.quantisation is not None:
        print_quantisation(done.quantisation)
    console.say(str(done.output))


@console.command
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A QDQ .onnx, or a .tflite to be written anew.")],
    output: Out = Path("model.tflite"),
    json_output: Json = False,
) -> None:
    """QDQ ONNX to a wholly integer .tflite, or an error that names the rule, the node and, if known, your line.

    A .tflite of others is written anew: without the conversion of float or uint8 ends, its constants aligned.
    """
    facts = making.convert_to(file, output)
    if json_output:
        console.print_json(facts)
    else:
        console.pairs([(name, str(value)) for name, value in facts.items()])


@console.command
def inspect(
    file: Annotated[Path, typer.Argument(help="A file of any stage, or the folder of a run.")],
    json_output: Json = False,
) -> None:
    """Show any stage's file: operators, shapes, scales, MACs, bytes."""
    found = inspect_step(file)
    if json_output:
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        console.print_json({"kind": found.kind, "facts": found.facts, "rows": rows})
        return
    shown = ((name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in found.facts.items())
    console.pairs([("kind", found.kind), *shown])
    console.say("")
    console.table("", found.columns, found.rows)
