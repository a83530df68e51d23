"""hil: boards in the loop, many at a time."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edgeq.cli import console
from edgeq.cli.bench_bars import Lines, watching
from edgeq.cli.options import Json
from edgeq.hil import look, results
from edgeq.hil.out import MATRIX
from edgeq.hil.settings import read_bench
from edgeq.hil.suite import rack_of, run_suite

hil = typer.Typer(help="Boards in the loop: every model on every board of a bench.", no_args_is_help=True)
_File = Annotated[Path, typer.Argument(metavar="HIL.toml", help="The bench: its boards and models (docs/hil.md).")]


@hil.command()
@console.command
def run(
    file: _File,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write; an unfinished run there goes on.")
    ] = Path("hil-run"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever lies there.")] = False,
    json_output: Json = False,
) -> None:
    """Run every job to its one outcome: passed, failed, infrastructure or skipped."""
    bench = read_bench(file)
    with watching() as watcher:
        rows = run_suite(bench, output, watcher, fresh=fresh)
    if json_output:
        console.print_json(results.as_json(bench.settings.bench.name, rows))
    else:
        console.table("", results.HEAD, results.table(rows))
        console.say(f"\n{results.headline(rows)}\n{output / MATRIX}")
    results.require_good(rows)


@hil.command("list")
@console.command
def list_boards(file: _File, json_output: Json = False) -> None:
    """List the boards of a bench: where they are, who has them, what is on them."""
    states = look.look(rack_of(read_bench(file), Lines()))
    if json_output:
        console.print_json([asdict(state) for state in states])
        return
    rows = [
        (s.name, s.kind, s.where, "in use" if s.holder else "present" if s.present else "missing",
         "; ".join(filter(None, (s.holder, s.holds, s.note))))
        for s in states
    ]  # fmt: skip
    console.table("", ("board", "kind", "where", "", ""), rows)


@hil.command()
@console.command
def doctor(file: _File, json_output: Json = False) -> None:
    """Say what keeps a bench from working: ports, permissions, chips, locks, power hooks, labgrid, tools."""
    checks = look.examine(rack_of(read_bench(file), Lines()))
    if json_output:
        console.print_json([asdict(check) for check in checks])
    else:
        rows = [
            ("ok" if c.good else "trouble", c.what, c.said if c.good else "; ".join(filter(None, (c.said, c.hint))))
            for c in checks
        ]
        console.table("", ("", "what", ""), rows)
    look.require_good(checks)
