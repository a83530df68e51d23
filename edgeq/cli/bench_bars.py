"""What a run of a bench shows while it is at work: a bar a board on a terminal, a line a job elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, TaskID

from edgeq.cli import console
from edgeq.hil.jobs import Job, Outcome
from edgeq.hil.results import MARKS
from edgeq.hil.watcher import Unwatched, Watcher
from edgeq.link.escape import escape
from edgeq.pipeline import progress as steps


@contextmanager
def watching() -> Iterator[Watcher]:
    """Bars on a terminal, lines elsewhere."""
    if not console.err.is_terminal:
        yield Lines()
        return
    with console.bars() as drawn:
        shown = Bars(drawn)
        try:
            yield shown
        finally:
            shown.close()


class Lines(Unwatched):
    """A line for each model that is made ready, each job that ended, and each note."""

    @contextmanager
    def preparing(self, what: str) -> Iterator[steps.Progress]:
        """What is made ready now, and how long its steps took."""
        self._print(f"making ready {what}")
        shown = console.PlainProgress()
        yield shown
        shown.finish()

    def note(self, text: str) -> None:
        """A line of its own."""
        self._print(f"note: {text}")

    def ended(self, job: Job, outcome: Outcome, reason: str, done: int, total: int) -> None:
        """The job, its outcome and why."""
        self._print(f"{done:>{len(str(total))}}/{total} {line(job, outcome, reason)}")

    def _print(self, text: str) -> None:
        console.err.print(console.plain(text), soft_wrap=True)


class Bars(Unwatched):
    """A bar for each board, one for all jobs, one for a model that is made ready; above them what did not pass."""

    def __init__(self, drawn: Progress) -> None:
        self._drawn = drawn
        self._jobs = drawn.add_task("jobs", total=None, detail="")
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def preparing(self, what: str) -> Iterator[steps.Progress]:
        """One bar, which goes with the block."""
        self.note(f"making ready {what}")
        task = self._drawn.add_task("making ready", total=1.0, detail="")
        try:
            yield Bar(self._drawn, task)
        finally:
            self._drawn.remove_task(task)

    def board(self, name: str, job: Job) -> steps.Progress:
        """The board's bar, which says its job."""
        if name not in self._tasks:
            self._tasks[name] = self._drawn.add_task(escape(name), total=1.0, detail="")
        return Bar(self._drawn, self._tasks[name], f"{job.model} {job.engine}: ")

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._drawn.console.print(console.plain(text))

    def ended(self, job: Job, outcome: Outcome, reason: str, done: int, total: int) -> None:
        """Moves the bar of all jobs; what did not pass is said."""
        self._drawn.update(self._jobs, completed=done, total=total, detail=f"{done} of {total}")
        if outcome != "passed":
            self.note(line(job, outcome, reason))

    def close(self) -> None:
        """Leaves the bar of all jobs alone on the screen."""
        for task in self._tasks.values():
            self._drawn.remove_task(task)


class Bar:
    """A bar that begins anew with each step of what it is about."""

    def __init__(self, drawn: Progress, task: TaskID, what: str = "") -> None:
        self._drawn = drawn
        self._task = task
        self._what = escape(what)

    def step(self, title: str) -> None:
        """What is done now."""
        self._drawn.reset(self._task, total=1.0, detail=self._what + title)

    def update(self, fraction: float, text: str = "") -> None:
        """How far that is."""
        self._drawn.update(self._task, completed=min(fraction, 1.0))

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._drawn.console.print(console.plain(f"note: {text}"))


def line(job: Job, outcome: Outcome, reason: str) -> str:
    """A job's outcome in one line."""
    return f"{MARKS[outcome]} {job.id} {outcome}{f': {reason}' if reason else ''}"
