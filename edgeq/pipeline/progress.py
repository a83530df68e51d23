"""How a step tells what it is doing; the command line draws it, tests ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What the steps of the pipeline call."""

    def step(self, title: str) -> None:
        """A new step begins; the one before is done."""

    def update(self, fraction: float, text: str = "") -> None:
        """How far the step is, 0 to 1."""

    def note(self, text: str) -> None:
        """Something the user should know, kept on the screen."""


class Quiet:
    """Says nothing."""

    def step(self, title: str) -> None:
        """Nothing."""

    def update(self, fraction: float, text: str = "") -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


class Noted:
    """Hands everything on, and keeps the notes for the report."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.step = progress.step
        self.update = progress.update
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keeps it, and hands it on."""
        self.notes.append(text)
        self._progress.note(text)
