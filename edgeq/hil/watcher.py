"""How a run tells what it is doing; the command line draws it, tests ignore it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from edgeq.hil.jobs import Job, Outcome
from edgeq.pipeline.progress import Progress, Quiet


class Watcher(Protocol):
    """What a run calls, from any thread."""

    def preparing(self, what: str) -> AbstractContextManager[Progress]:
        """A model is made ready for a kind of board, as long as the block lasts."""

    def board(self, name: str, job: Job) -> Progress:
        """A board is at that job."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def ended(self, job: Job, outcome: Outcome, reason: str, done: int, total: int) -> None:
        """A job has its outcome; `done` of `total` have."""


class Unwatched:
    """Says nothing."""

    def preparing(self, what: str) -> AbstractContextManager[Progress]:
        """Nothing."""
        return nullcontext(Quiet())

    def board(self, name: str, job: Job) -> Progress:
        """Nothing."""
        return Quiet()

    def note(self, text: str) -> None:
        """Nothing."""

    def ended(self, job: Job, outcome: Outcome, reason: str, done: int, total: int) -> None:
        """Nothing."""
