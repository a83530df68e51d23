"""What becomes of jobs, told to the journal first and to whoever watches then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeq.hil.jobs import Job, Outcome
from edgeq.hil.journal import Ending, Journal
from edgeq.hil.watcher import Watcher


class Telling:
    """The jobs of a run with their journal. Any thread may call it."""

    def __init__(self, journal: Journal, jobs: Sequence[Job], watcher: Watcher) -> None:
        self.jobs = jobs
        self.watcher = watcher
        self._journal = journal
        self._states = journal.story.jobs

    def left(self) -> list[Job]:
        """The jobs without an outcome, in their order."""
        return [job for job in self.jobs if self._states[job.id].outcome is None]

    def begun(self, job: Job, board: str) -> None:
        """An attempt begins."""
        self._journal.begun(job.id, board)

    def ended(
        self, job: Job, result: Ending, reason: str, seconds: float, figures: dict[str, Any] | None = None
    ) -> None:
        """An attempt ended so."""
        self._journal.ended(job.id, result, reason, seconds, figures)
        if result in ("passed", "failed"):
            self._say(job)

    def decided(self, job: Job, outcome: Outcome, reason: str) -> None:
        """The job ends so without a further attempt."""
        self._journal.decided(job.id, outcome, reason)
        self._say(job)

    def out(self, board: str, reason: str) -> None:
        """That board is left alone from now on."""
        self._journal.add({"event": "out", "board": board, "reason": reason})
        self.watcher.note(f"board {board} is taken out: {reason}")

    def _say(self, job: Job) -> None:
        state = self._states[job.id]
        if state.outcome is not None:
            self.watcher.ended(job, state.outcome, state.reason, len(self.jobs) - len(self.left()), len(self.jobs))
