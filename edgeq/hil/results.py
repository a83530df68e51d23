"""What a run came to: a row a job, and the files and figures made of them. Pure; it reads the journal's story alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeq.errors import BoardTrouble, CheckFailed, EdgeqError
from edgeq.hil.jobs import OUTCOMES, Job, Outcome
from edgeq.hil.journal import Attempt, JobState, Story
from edgeq.report import wording
from edgeq.report.junit import Case, CaseOutcome, junit
from edgeq.report.markdown import escape
from edgeq.report.wording import printable

_CASES: dict[Outcome, CaseOutcome] = {
    "passed": "passed", "failed": "failed", "infrastructure": "error", "skipped": "skipped",
}  # fmt: skip
MARKS: dict[Outcome, str] = {"passed": "✓", "failed": "✗", "infrastructure": "!", "skipped": "–"}


@dataclass(frozen=True)
class Row:
    """A job with its outcome. `board` is where its last attempt ran; `job.board` is whose job it was."""

    job: Job
    outcome: Outcome
    reason: str
    attempts: tuple[Attempt, ...]

    @property
    def board(self) -> str:
        """Where it ended."""
        return self.attempts[-1].board if self.attempts else self.job.board

    @property
    def figures(self) -> dict[str, Any]:
        """What was measured; empty where nothing was."""
        return self.attempts[-1].figures if self.attempts else {}

    @property
    def seconds(self) -> float:
        """Of all attempts together."""
        return sum(attempt.seconds for attempt in self.attempts)

    @property
    def cut(self) -> int:
        """Attempts in whose middle the runner ended."""
        return sum(attempt.result == "cut" for attempt in self.attempts)

    @property
    def report(self) -> str | None:
        """The path of its page below the run's folder."""
        return f"jobs/{self.job.id}/{self.figures['report']}" if self.figures.get("report") else None

    def latency(self) -> str:
        """p50 with its unit and what it rests on; "" where nothing was measured."""
        if "p50" not in self.figures:
            return ""
        return f"{wording.quantity(self.figures['p50'], self.figures['unit'])} ({self.figures['basis']})"

    def remark(self) -> str:
        """What is to be said beside the outcome: the reason, and whatever was not as planned on the way."""
        return "; ".join(filter(None, (printable(self.reason), *self.history())))

    def history(self) -> list[str]:
        """What was not as planned: further attempts, cut ones, another board."""
        said = []
        if len(self.attempts) > 1:
            said.append(f"{len(self.attempts)} attempts")
        if self.cut:
            said.append(f"{self.cut} cut when the runner ended")
        if self.board != self.job.board:
            said.append(f"on board {self.board}")
        return said


def rows_of(jobs: Sequence[Job], story: Story) -> tuple[Row, ...]:
    """A row for each job of a run that is finished."""
    return tuple(_row(job, story.jobs[job.id]) for job in jobs)


def _row(job: Job, state: JobState) -> Row:
    if state.outcome is None:
        raise AssertionError(f"job {job.id} of a finished run has no outcome")
    return Row(job, state.outcome, state.reason, tuple(state.attempts))


def counts(rows: Sequence[Row]) -> dict[Outcome, int]:
    """How many jobs ended in each outcome."""
    found = Counter(row.outcome for row in rows)
    return {outcome: found[outcome] for outcome in OUTCOMES}


def headline(rows: Sequence[Row]) -> str:
    """`12 passed, 1 failed of 13 jobs`."""
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in counts(rows).items() if count)
    return f"{said} of {wording.counted(len(rows), 'job')}"


def require_good(rows: Sequence[Row]) -> None:
    """CheckFailed where a check said no, else BoardTrouble where a job could not be asked."""
    found: tuple[tuple[Outcome, type[EdgeqError]], ...] = (("failed", CheckFailed), ("infrastructure", BoardTrouble))
    for outcome, kind in found:
        first = next((row for row in rows if row.outcome == outcome), None)
        if first is not None:
            said = f"{headline(rows)}; the first that is {outcome}, {first.job.id}: {printable(first.reason)}"
            raise kind(said, hint="matrix.html shows every job")


def junit_text(name: str, rows: Sequence[Row]) -> str:
    """Failed jobs are failures, infrastructure is an error: a CI server tells them apart."""
    return junit(f"edgeq hil: {name}", [_case(row) for row in rows])


def _case(row: Row) -> Case:
    job = row.job
    properties = {"board": row.board, "engine": job.engine, "attempts": str(len(row.attempts)), "cut": str(row.cut)}
    properties |= {"latency": row.latency()} if row.latency() else {}
    properties |= {"report": row.report} if row.report else {}
    told = [f"attempt {a.number} on {a.board}: {a.result}{f', {a.reason}' if a.reason else ''}" for a in row.attempts]
    name = f"{job.board}/{job.engine}" + (f"/{job.number}" if job.number else "")
    return Case(
        job.model, name, _CASES[row.outcome], message=printable(row.reason), details="\n".join(map(printable, told)),
        seconds=row.seconds, properties=properties,
    )  # fmt: skip


def as_json(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """For `--json`."""
    return {
        "bench": name,
        "outcomes": counts(rows),
        "jobs": [
            {
                "job": row.job.id, "model": row.job.model, "board": row.job.board, "engine": row.job.engine,
                "number": row.job.number or None, "outcome": row.outcome, "reason": row.reason,
                "seconds": round(row.seconds, 3), "figures": row.figures, "report": row.report,
                "attempts": [
                    {"board": a.board, "result": a.result, "reason": a.reason, "seconds": a.seconds}
                    for a in row.attempts
                ],
            }
            for row in rows
        ],
    }  # fmt: skip


HEAD = ("", "job", "outcome", "latency p50", "")
MOST_LINES = 50


def table(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Under `HEAD`, what did not pass first; of many that passed, the first."""
    ordered = sorted(rows, key=lambda row: (row.outcome == "passed", OUTCOMES.index(row.outcome)))
    bad = sum(row.outcome != "passed" for row in rows)
    return [
        (MARKS[row.outcome], row.job.id, row.outcome, row.latency(), row.remark())
        for row in ordered[: max(bad, MOST_LINES)]
    ]


def markdown(name: str, rows: Sequence[Row]) -> str:
    """`summary.md`: the headline, and a line a job."""
    lines = [f"# {escape(name)}", "", f"{headline(rows)}.", "", f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    shown = table(rows)
    lines += ["| " + " | ".join(escape(cell) for cell in cells) + " |" for cells in shown]
    if len(shown) < len(rows):
        lines += ["", f"{len(rows) - len(shown):,} more passed; `matrix.html` has them all."]
    return "\n".join(lines) + "\n"
