"""What lies in the folder of a run, and what of an older run goes before a new one is begun."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgeq.errors import NotWritten

LOCK, JOURNAL = ".lock", "journal.jsonl"
JOBS, MODELS = "jobs", "models"
MATRIX, JUNIT, SUMMARY = "matrix.html", "junit.xml", "summary.md"


def forget(out: Path) -> None:
    """Takes away what a run left in `out`, so that nobody takes its pages and reports for those of the next; models
    stay, since each is made anew in its place. Where there is no journal, nothing is an older run's."""
    if not (out / JOURNAL).exists():
        return
    try:
        for name in (JOURNAL, MATRIX, JUNIT, SUMMARY):  # the journal first: without it, no run goes on
            (out / name).unlink(missing_ok=True)
    except OSError as e:
        raise NotWritten(f"the older run cannot be removed: {e.strerror}", where=str(out / name)) from e
    shutil.rmtree(out / JOBS, ignore_errors=True)  # what cannot go cannot be written either, and is said then
