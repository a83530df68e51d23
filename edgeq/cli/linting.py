"""lint: what will be refused of a `.tflite`, or computed wrongly, and by whom."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import console
from edgeq.cli.options import Json
from edgeq.convert.lint_rules import refused
from edgeq.errors import CheckFailed
from edgeq.pipeline.lint import lint_file


@console.command
def lint(
    file: Annotated[Path, typer.Argument(metavar="FILE.tflite", help="Any .tflite, or the folder of a run.")],
    json_output: Json = False,
) -> None:
    """Say what TFLite Micro, ESP-NN and edgeq will refuse of any .tflite, or get wrong. Exit code 1 if there is any."""
    findings = lint_file(file)
    rows = [(f.severity, f.rule, f.where, f.what, ", ".join(f.who), f.hint) for f in findings]
    columns = ("severity", "rule", "where", "what", "who", "hint")
    if json_output:
        console.print_json({"findings": [dict(zip(columns, row, strict=True)) for row in rows]})
    else:
        if rows:
            console.table("", columns[:-1], [row[:-1] for row in rows])
            hints = dict.fromkeys((rule, hint) for _, rule, _, _, _, hint in rows)
            console.say("")
            console.pairs([(f"{rule}:", hint) for rule, hint in hints])
            console.say("")
        count = Counter(f.severity for f in findings)
        kinds = ("error", "warning", "note")
        console.say(", ".join(f"{count[kind]} {kind}{'' if count[kind] == 1 else 's'}" for kind in kinds))
    if refused(findings):
        raise typer.Exit(CheckFailed.exit_code)
