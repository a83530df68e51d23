"""A run of a bench from its file to its files: matrix.html, junit.xml, summary.md."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from edgeq.errors import BadInput
from edgeq.hil.boards import Rack
from edgeq.hil.labgrid import LabgridPlaces
from edgeq.hil.matrix import page
from edgeq.hil.out import JUNIT, MATRIX, SUMMARY
from edgeq.hil.results import Row, junit_text, markdown, rows_of
from edgeq.hil.run import run_jobs
from edgeq.hil.settings import BenchFile
from edgeq.hil.watcher import Watcher
from edgeq.pipeline.compare import subject_from
from edgeq.pipeline.history import Stamp, append, stamp
from edgeq.pipeline.run_folder import write_file


def rack_of(bench: BenchFile, watcher: Watcher) -> Rack:
    """The bench's boards, and labgrid where one of them stands behind it. Raises ToolMissing without labgrid."""
    borrowed = any(entry.place is not None for entry in bench.settings.board)
    return Rack(bench, LabgridPlaces(bench.settings.labgrid, note=watcher.note) if borrowed else None)


def run_suite(bench: BenchFile, out: Path, watcher: Watcher, *, fresh: bool = False) -> tuple[Row, ...]:
    """Every job to its outcome; `out` then has the files of the whole run, and a folder for each job."""
    with run_jobs(rack_of(bench, watcher), out, watcher, fresh=fresh) as (jobs, story):
        rows = rows_of(jobs, story)
        name = bench.settings.bench.name
        write_file(out / MATRIX, page(bench.settings, rows, story).encode())
        write_file(out / JUNIT, junit_text(name, rows).encode())
        write_file(out / SUMMARY, markdown(name, rows).encode())
        if bench.settings.bench.history is not None:
            _keep(bench, bench.settings.bench.history, out, rows)
    return rows


def _keep(bench: BenchFile, history: str, out: Path, rows: tuple[Row, ...]) -> None:
    """Adds what was measured to the history, of a repeated model the first; labelled with the board's name. It stands
    at the commit that is checked out beside the bench's file, else at the time now."""
    try:
        when = stamp(None, None, folder=bench.path.parent)
    except BadInput:
        when = Stamp(datetime.now(UTC), "")
    for row in rows:
        if row.report is not None and row.job.number <= 1:
            append(bench.beside(history), subject_from((out / row.report).parent), when, row.board)
