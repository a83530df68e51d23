"""compare: what became of a run's figures, and whether a gate lets it pass."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import console
from edgeq.cli.options import Json
from edgeq.compare import annotations as annotate
from edgeq.compare import words
from edgeq.compare.finding import Comparison
from edgeq.pipeline import compare as compare_step


@console.command
def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="What it was: a run's folder, or a report's file.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="What it is now.")],
    gate: Annotated[
        Path | None, typer.Option("--gate", metavar="GATE.toml", help="What may get worse; else the defaults.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write it for a pull request's comment.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write it as JUnit XML.")] = None,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Print GitHub's annotations, as by itself in a GitHub job.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Compare two runs: latency and layers, memory, flash, accuracy, equality; exit code 1 where a gate says no."""
    found = compare_step.compare_files(base, new, gate)
    if markdown:
        compare_step.write_markdown(found, markdown)
    if junit:
        compare_step.write_junit(found, junit)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        compare_step.append_markdown(found, Path(summary))
    if json_output:
        console.print_json(words.fields(found))
    else:
        _print(found)
    if annotations or os.environ.get("GITHUB_ACTIONS") == "true":
        for line in annotate.lines(found):
            console.unbroken(line, aside=json_output)
    compare_step.require_passed(found)


def _print(found: Comparison) -> None:
    """What changed as a table, the rest in numbers: nobody reads fifty equal rows."""
    console.pairs([("compared", words.title(found)), ("latency", words.basis(found))])
    console.say("")
    changed = words.changed(found)
    if changed:
        console.table("", words.HEAD, [words.row(finding) for finding in changed])
        console.say("")
    for finding in found.findings:
        if finding.verdict == "not compared" and finding not in changed:
            console.say(f"not compared: {words.sentence(finding)}")
    for note in found.notes:
        console.say(f"note: {note}")
    if found.passed:  # else it is the error
        console.say(f"{words.headline(found)}.")
