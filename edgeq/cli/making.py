"""quantize, convert, inspect: the single steps that make a model's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import console
from edgeq.cli.options import Json, ObserverName, Out
from edgeq.pipeline import making
from edgeq.pipeline.inspect import inspect as inspect_step
from edgeq.pipeline.prepare import QuantiseOptions
from edgeq.report.wording import percent


@console.command
def quantize(
    model: Annotated[str, typer.Argument(help="A folder with model.toml, or a name of the zoo.")],
    output: Out = Path("model.onnx"),
    data: Annotated[Path | None, typer.Option("--data", help="An .npz with images and labels.")] = None,
    per_tensor: Annotated[bool, typer.Option("--per-tensor", help="One weight scale per tensor.")] = False,
    observer: Annotated[ObserverName, typer.Option("--observer", help="Range of activations.")] = ObserverName.minmax,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Calibration samples.")] = 256,
    json_output: Json = False,
) -> None:
    """PyTorch to INT8 QDQ ONNX, with accuracy before and after and the SQNR of every layer."""
    options = QuantiseOptions(not per_tensor, observer.value, samples)
    with console.progress() as progress:
        done = making.quantise_to(model, output, options, data, progress)
    if json_output:
        console.print_json(done.as_json())
        return
    console.pairs(
        [
            ("float top-1", percent(done.float_top1)),
            ("INT8 top-1 (QDQ)", percent(done.qdq_top1)),
            ("held-out samples", str(done.samples)),
        ]
    )
    console.say("")
    rows = [(name, shape, f"{db:5.1f}") for name, shape, db in done.sqnr]
    console.table("", ("activation", "shape", "SQNR, dB"), rows)
    console.say(f"\n{output}")


@console.command
def convert(
    onnx: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="A QDQ ONNX model.")],
    output: Out = Path("model.tflite"),
    json_output: Json = False,
) -> None:
    """QDQ ONNX to a wholly integer .tflite, or an error that names the rule and the node."""
    facts = making.convert_to(onnx, output)
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
