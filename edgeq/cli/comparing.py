"""compare, trend: what became of a run's figures, whether a gate lets it pass, and how they went over time."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import console
from edgeq.cli.options import Json, Out
from edgeq.compare import annotations as annotate
from edgeq.compare import trend as curves
from edgeq.compare import words
from edgeq.compare.finding import Comparison
from edgeq.compare.markdown import MOST_ROWS
from edgeq.compare.trend_chart import trend_chart
from edgeq.compare.trend_page import trend_html
from edgeq.errors import BadInput
from edgeq.pipeline import compare as compare_step
from edgeq.pipeline.history import append, history_from, stamp
from edgeq.pipeline.run_folder import write_file
from edgeq.report.wording import counted


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
    history: Annotated[
        Path | None, typer.Option("--history", metavar="F.jsonl", help="Add NEW's key figures to this file.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Of the history's entry; else the commit's.")
    ] = None,
    commit: Annotated[
        str | None, typer.Option("--commit", help="Of the history's entry; else git's HEAD here.")
    ] = None,
    label: Annotated[str, typer.Option("--label", help="Of the history's entry: a release, say.")] = "",
    json_output: Json = False,
) -> None:
    """Compare two runs: latency and layers, memory, flash, accuracy, equality; exit code 1 where a gate says no."""
    if history is None and (at or commit or label):
        raise BadInput("--at, --commit and --label are of an entry", hint="--history history.jsonl")
    when = stamp(at, commit, folder=Path.cwd()) if history else None
    found = compare_step.compare_files(base, new, gate)
    if markdown:
        compare_step.write_markdown(found, markdown)
    if junit:
        compare_step.write_junit(found, junit)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        compare_step.append_markdown(found, Path(summary))
    if history and when:
        append(history, found.new, when, label)
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
    shown = words.shown(found)
    if shown:
        console.table("", words.HEAD, [words.row(finding) for finding in shown[:MOST_ROWS]])
        if len(shown) > MOST_ROWS:
            console.say(f"and {counted(len(shown) - MOST_ROWS, 'figure')} more: --json or --junit has them all")
        console.say("")
    rest = [finding for finding in words.folded(found) if finding.verdict == "not compared"]
    for finding in rest:
        if finding.rule != "layer":
            console.say(f"not compared: {words.sentence(finding)}")
    for why, count in Counter(finding.why for finding in rest if finding.rule == "layer").items():
        console.say(f"not compared: {counted(count, 'layer')}: {why}")
    for note in found.notes:
        console.say(f"note: {note}")
    if found.passed:  # else it is the error
        console.say(f"{words.headline(found)}.")


@console.command
def trend(
    history: Annotated[Path, typer.Argument(metavar="F.jsonl", help="What `edgeq compare --history` wrote.")],
    output: Out = Path("trend.html"),
    svg: Annotated[Path | None, typer.Option("--svg", help="The curves alone, as a picture.")] = None,
    json_output: Json = False,
) -> None:
    """Draw a history: the latency of each model, board and engine over time, as a page that needs nothing else."""
    for written in (output, svg):
        if written and written.exists() and history.exists() and written.samefile(history):
            raise BadInput("is the history itself, which would be lost", where=str(written), hint="-o trend.html")
    found = curves.trend_of(history_from(history))
    write_file(output, trend_html(found).encode())
    if svg:
        write_file(svg, trend_chart(found.curves, "trend", titled=True).encode())
    if json_output:
        entries = [[entry.model_dump(mode="json", by_alias=True) for entry in one.entries] for one in found.curves]
        console.print_json({"curves": entries, "notes": list(found.notes)})
        return
    for one in found.curves:
        console.say(f"{one.title}: {curves.caption(one)}")
    for note in found.notes:
        console.say(f"note: {note}; kept out")
    console.say(f"\n{output}")
