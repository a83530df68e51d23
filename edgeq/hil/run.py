"""`edgeq hil run`: every job of a bench to its one outcome, and what was interrupted to its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edgeq.errors import BadInput
from edgeq.hil.boards import Rack
from edgeq.hil.jobs import Job, impossible, jobs_of
from edgeq.hil.journal import Journal, Story, read_events, replay
from edgeq.hil.lock import held
from edgeq.hil.out import JOBS, JOURNAL, LOCK, forget
from edgeq.hil.prepare import make_ready, read_given
from edgeq.hil.telling import Telling
from edgeq.hil.watcher import Watcher
from edgeq.hil.work import Work, work


@contextlib.contextmanager
def run_jobs(
    rack: Rack, out: Path, watcher: Watcher, *, fresh: bool = False
) -> Iterator[tuple[tuple[Job, ...], Story]]:
    """Runs what is not done yet. In the story that the block gets every job has its outcome; with the block, which
    writes what is made of it, the run is finished.

    An interrupt goes through, and leaves a journal that the next call goes on with.
    """
    bench = rack.bench
    jobs = jobs_of(bench.settings)
    given = read_given(bench, jobs)
    _require_apart(out, given.baselines)
    with (
        held(out / LOCK, str(out), wait_s=0, say=watcher.note),
        _journal(out, given.rests_on, jobs, fresh, watcher) as journal,
    ):
        tell = Telling(journal, jobs, watcher)
        for job in tell.left():
            if why := impossible(job, bench.board(job.board)):
                tell.decided(job, "skipped", why)
        ready = make_ready(bench, given, tell.left(), out, watcher)
        work(Work(rack, out, given, ready), tell)
        yield jobs, journal.story
        journal.add({"event": "finished"})


def _require_apart(out: Path, baselines: Iterable[Path]) -> None:
    """A baseline is no file that the run itself replaces."""
    for path in baselines:
        if (out / JOBS).resolve() in path.resolve().parents:
            raise BadInput(
                "is a baseline, and lies where this run writes its own reports", where=str(path),
                hint="copy it beside the bench's file",
            )  # fmt: skip


def _journal(out: Path, rests_on: str, jobs: Sequence[Job], fresh: bool, watcher: Watcher) -> Journal:
    """Goes on with an unfinished run of the very same bench; begins anew where there is none, or it is finished."""
    ids, path = [job.id for job in jobs], out / JOURNAL
    events = [] if fresh or not path.exists() else read_events(path)[0]
    story = replay(events, str(path)) if events else None
    if story is None or story.finished:
        forget(out)
        return Journal.begin(path, rests_on, ids)
    if story.rests_on != rests_on or list(story.jobs) != ids:
        raise BadInput(
            "holds an unfinished run of another bench: its file, a model, the gate or a baseline has changed",
            where=str(path), hint="--fresh begins anew, -o chooses another place",
        )  # fmt: skip
    journal = Journal.resume(path)
    done = sum(state.outcome is not None for state in journal.story.jobs.values())
    cut = sum(bool(state.attempts) and state.attempts[-1].result == "cut" for state in journal.story.jobs.values())
    again = f"; {cut} cut in the middle, to be run again" if cut else ""
    watcher.note(f"going on with an unfinished run: {done:,} of {len(ids):,} jobs are done{again}")
    return journal
