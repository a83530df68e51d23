"""A bench's jobs: each model on each of its boards with each of its engines, so many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeq.errors import BadInput
from edgeq.hil.settings import MOST_JOBS, BoardEntry, Settings
from edgeq.pipeline.board import Runner
from edgeq.pipeline.engines import Engine

Outcome = Literal["passed", "failed", "infrastructure", "skipped"]
OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "infrastructure", "skipped")


@dataclass(frozen=True)
class Job:
    """One model on one board with one engine; `number` counts from 1 where the model is repeated, else it is 0."""

    model: str
    board: str
    engine: Engine
    number: int = 0

    @property
    def id(self) -> str:
        """Its name in the journal, and its folder below `jobs`."""
        return f"{self.model}/{self.board}/{self.engine}" + (f"/{self.number}" if self.number else "")


@dataclass(frozen=True)
class Kind:
    """Boards that take the same firmware and plan: a name of `edgeq boards`, and who executes a virtual one."""

    board: str
    runner: Runner | None

    def __str__(self) -> str:
        return f"{self.board} ({self.runner or 'real'})"


def kind_of(board: BoardEntry) -> Kind:
    """Behind a port or a place is a real board, unless the bench says who executes a virtual one there."""
    return Kind(board.board, board.virtual or board.runner)


def jobs_of(settings: Settings) -> tuple[Job, ...]:
    """All jobs; those of a model stand together, so that a board is flashed as seldom as can be."""
    jobs = tuple(
        Job(model.name, board.name, engine, number)
        for model in settings.model
        for engine in dict.fromkeys(model.engines or settings.bench.engines)
        for number in (range(1, model.repeat + 1) if model.repeat > 1 else (0,))
        for board in settings.board
        if model.boards is None or board.name in model.boards
    )
    if not jobs:
        raise BadInput("no model has a board: there is no job", where="boards", hint="docs/hil.md")
    if len(jobs) > MOST_JOBS:
        raise BadInput(f"{len(jobs):,} jobs; {MOST_JOBS:,} are possible", where="repeat", hint="a smaller repeat")
    return jobs


def impossible(job: Job, board: BoardEntry) -> str:
    """Why this job is skipped whatever happens; "" where it is not."""
    if board.quarantine is not None:
        return f"the board is in quarantine: {board.quarantine}"
    if job.engine == "tflm" and kind_of(board).runner == "qemu_lx6":
        return "the emulated core runs the native engine alone"
    return ""
