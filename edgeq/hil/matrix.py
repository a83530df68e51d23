"""`matrix.html`: models by boards by engines, on one page that needs nothing but itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.hil.jobs import OUTCOMES, Outcome, kind_of
from edgeq.hil.journal import Story
from edgeq.hil.results import MARKS, Row, counts, headline
from edgeq.hil.settings import BoardEntry, Settings
from edgeq.report import wording
from edgeq.report.html import template

COLOURS: dict[Outcome, str] = {"passed": "good", "failed": "bad", "infrastructure": "open", "skipped": "muted"}
MOST_TOLD = 500
MOST_IN_A_CELL = 120  # characters of a reason, which stands below in full


@dataclass(frozen=True)
class Cell:
    """The jobs of one model on one board with one engine: one, or as many as the model is repeated."""

    rows: tuple[Row, ...]

    @property
    def outcome(self) -> Outcome:
        """The gravest of them: failed, infrastructure, skipped, passed."""
        there = {row.outcome for row in self.rows}
        gravest: tuple[Outcome, ...] = ("failed", "infrastructure", "skipped", "passed")
        return next(outcome for outcome in gravest if outcome in there)

    @property
    def words(self) -> str:
        """`passed`, or of several `58 passed, 2 infrastructure`."""
        if len(self.rows) == 1:
            return self.outcome
        found = Counter(row.outcome for row in self.rows)
        return ", ".join(f"{found[outcome]} {outcome}" for outcome in OUTCOMES if found[outcome])

    @property
    def shown(self) -> Row:
        """The one whose latency and report stand for all: the first of the gravest."""
        return next(row for row in self.rows if row.outcome == self.outcome)

    @property
    def history(self) -> str:
        """What was not as planned on the way."""
        if len(self.rows) == 1:
            return "; ".join(self.rows[0].history())
        further = sum(len(row.attempts) - 1 for row in self.rows if row.attempts)
        cut = sum(row.cut for row in self.rows)
        elsewhere = sum(row.board != row.job.board for row in self.rows)
        said = (
            (further, wording.counted(further, "further attempt")),
            (cut, f"{cut} cut when the runner ended"),
            (elsewhere, f"{elsewhere} on another board"),
        )
        return "; ".join(words for count, words in said if count)


@dataclass(frozen=True)
class Grid:
    """One model: a line a board, a column an engine; None where there is no such job."""

    model: str
    engines: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def grids(rows: Sequence[Row]) -> list[Grid]:
    """The rows as one grid a model, all in the order of the jobs."""
    found = []
    for model in dict.fromkeys(row.job.model for row in rows):
        mine = [row for row in rows if row.job.model == model]
        engines = tuple(dict.fromkeys(row.job.engine for row in mine))
        lines = []
        for board in dict.fromkeys(row.job.board for row in mine):
            cells = [tuple(r for r in mine if (r.job.board, r.job.engine) == (board, engine)) for engine in engines]
            lines.append((board, tuple(Cell(cell) if cell else None for cell in cells)))
        found.append(Grid(model, engines, tuple(lines)))
    return found


def page(settings: Settings, rows: Sequence[Row], story: Story) -> str:
    """The page. Every text is escaped; it forbids itself any request."""
    told = [row for row in rows if row.outcome != "passed" or len(row.attempts) > 1]
    return template("matrix.html.jinja", Path(__file__).parent).render(
        name=settings.bench.name,
        headline=headline(rows),
        state=next((COLOURS[o] for o in ("failed", "infrastructure") if counts(rows)[o]), "good"),
        counts=counts(rows),
        grids=grids(rows),
        boards=[_board(entry, rows, story) for entry in settings.board],
        told=told[:MOST_TOLD],
        untold=max(len(told) - MOST_TOLD, 0),
        story=story,
        most_in_a_cell=MOST_IN_A_CELL,
        marks=MARKS,
        colours=COLOURS,
        wording=wording,
    )


def _board(entry: BoardEntry, rows: Sequence[Row], story: Story) -> tuple[str, str, int, str]:
    """Name, what it is, attempts that ran there, remark."""
    attempts = [attempt for row in rows for attempt in row.attempts if attempt.board == entry.name]
    trouble = sum(attempt.result == "infrastructure" for attempt in attempts)
    remark = f"quarantine: {entry.quarantine}" if entry.quarantine else story.out.get(entry.name, "")
    if trouble and not remark:
        remark = f"{wording.counted(trouble, 'attempt')} in trouble"
    kind = f"{kind_of(entry)}, place {entry.place}" if entry.place else str(kind_of(entry))
    return entry.name, kind, len(attempts), remark
