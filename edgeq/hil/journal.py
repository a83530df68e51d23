"""`journal.jsonl`: what became of each job, a line each, on the disk before anything follows from it.

| event | says |
|---|---|
| `run` | a run begins: what it rests on (SHA-256), and every job |
| `resumed` | another process goes on with it |
| `begun` | an attempt at a job, on which board |
| `ended` | how it ended: `passed`, `failed`, `infrastructure`, or `cut`, where the runner ended in the middle of it |
| `outcome` | a job is done without a (further) attempt |
| `out` | a board is left alone from now on, and why |
| `finished` | every job is done |

An attempt that passed or failed decides its job; `outcome` decides the others. A job is decided once.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, get_args

from edgeq.errors import BadInput, NotWritten
from edgeq.hil.jobs import OUTCOMES, Outcome

FORMAT = 1
MOST_BYTES = 1 << 30
Ending = Literal["passed", "failed", "infrastructure", "cut"]
_ENDINGS: tuple[Ending, ...] = get_args(Ending)
Event = dict[str, Any]


@dataclass
class Attempt:
    """One attempt at a job. `figures` is what was measured, as `Verdict.figures` has it."""

    number: int
    board: str
    result: Ending | None = None  # None: it is running, or was cut and nobody has said so yet
    reason: str = ""
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class JobState:
    """All that the journal knows of a job."""

    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome | None = None
    reason: str = ""


@dataclass
class Story:
    """What a journal tells: of which run, which jobs, how far it is."""

    rests_on: str
    jobs: dict[str, JobState]
    out: dict[str, str] = field(default_factory=dict)
    began: str = ""
    resumed: int = 0
    finished: bool = False


def replay(events: Iterable[Event], where: str = "journal.jsonl") -> Story:
    """The story that the events tell. BadInput where they contradict one another."""
    story: Story | None = None
    try:
        for event in events:
            if event["event"] == "run":
                if story is not None or event["format"] != FORMAT:
                    raise ValueError("a second beginning, or another format")
                story = Story(
                    str(event["rests_on"]), {str(job): JobState() for job in event["jobs"]}, began=str(event["at"])
                )
            elif story is None:
                raise ValueError("it does not begin with a run")
            else:
                _follow(story, event)
    except (KeyError, TypeError, ValueError, IndexError) as e:
        raise BadInput(f"is damaged: {e}", where=where, hint="--fresh begins anew") from e
    if story is None:
        raise BadInput("is empty", where=where, hint="--fresh begins anew")
    return story


def _follow(story: Story, event: Event) -> None:
    kind = event["event"]
    if kind == "begun":
        attempts = story.jobs[event["job"]].attempts
        if attempts and attempts[-1].result is None:
            raise ValueError(f"job {event['job']} was begun twice at once")
        attempts.append(Attempt(len(attempts) + 1, str(event["board"])))
    elif kind == "ended":
        state = story.jobs[event["job"]]
        attempt = state.attempts[-1]
        if attempt.result is not None or event["result"] not in _ENDINGS:
            raise ValueError(f"an attempt at job {event['job']} ended twice, or how is not known")
        attempt.result, attempt.reason = event["result"], str(event["reason"])
        attempt.seconds, attempt.figures = float(event["seconds"]), dict(event["figures"])
        if attempt.result in ("passed", "failed"):
            _decide(story, event["job"], attempt.result, attempt.reason)
    elif kind == "outcome":
        _decide(story, event["job"], event["outcome"], str(event["reason"]))
    elif kind == "out":
        story.out[str(event["board"])] = str(event["reason"])
    elif kind == "resumed":
        story.resumed += 1
        story.out.clear()  # whoever repaired a board may try it again
    elif kind == "finished":
        story.finished = True
    else:
        raise ValueError(f"an unknown event {kind!r}")


def _decide(story: Story, job: str, outcome: Outcome, reason: str) -> None:
    state = story.jobs[job]
    if state.outcome is not None or outcome not in OUTCOMES:
        raise ValueError(f"job {job} has two outcomes, or one that does not exist")
    state.outcome, state.reason = outcome, reason


def read_events(path: Path) -> tuple[list[Event], int]:
    """The events of a file, and how many of its bytes they are: a last line that was torn is left out."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"has more than {MOST_BYTES >> 30} GiB", where=str(path), hint="--fresh begins anew")
        data = path.read_bytes()
    except OSError as e:
        raise BadInput(f"cannot be read: {e.strerror}", where=str(path)) from e
    whole = data[: data.rfind(b"\n") + 1]
    try:
        events = [json.loads(line) for line in whole.splitlines()]
    except ValueError as e:
        raise BadInput("is damaged", where=str(path), hint="--fresh begins anew") from e
    if not all(isinstance(event, dict) for event in events):
        raise BadInput("is damaged", where=str(path), hint="--fresh begins anew")
    return events, len(whole)


class Journal:
    """A journal that is being written; its story is that of the file. Any thread may call it."""

    def __init__(self, path: Path, events: list[Event], sound_bytes: int) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._fd, sound_bytes)
        except OSError as e:
            raise NotWritten(f"cannot be written: {e.strerror}", where=str(path)) from e
        self._sound_bytes = sound_bytes
        self._torn = False
        self.story = replay(events, str(path))

    @classmethod
    def begin(cls, path: Path, rests_on: str, jobs: Iterable[str]) -> Journal:
        """A new one, in place of any other."""
        event = {"event": "run", "format": FORMAT, "rests_on": rests_on, "jobs": list(jobs), "at": _now()}
        journal = cls(path, [event], 0)
        journal._write(event)
        return journal

    @classmethod
    def resume(cls, path: Path) -> Journal:
        """Goes on with one; attempts that nobody ended were cut."""
        journal = cls(path, *read_events(path))
        journal.add({"event": "resumed"})
        for job, state in journal.story.jobs.items():
            if state.attempts and state.attempts[-1].result is None:
                journal.ended(job, "cut", "the runner ended in the middle of it", 0.0)
        return journal

    def begun(self, job: str, board: str) -> None:
        """An attempt begins."""
        self.add({"event": "begun", "job": job, "board": board})

    def ended(
        self, job: str, result: Ending, reason: str, seconds: float, figures: dict[str, Any] | None = None
    ) -> None:
        """The job's last attempt ended so; `passed` and `failed` decide the job."""
        self.add(
            {"event": "ended", "job": job, "result": result, "reason": reason, "seconds": round(seconds, 3),
             "figures": figures or {}}
        )  # fmt: skip

    def decided(self, job: str, outcome: Outcome, reason: str) -> None:
        """The job is done so, without a further attempt."""
        self.add({"event": "outcome", "job": job, "outcome": outcome, "reason": reason})

    def add(self, event: Event) -> None:
        """One line more; it is on the disk when this returns. NotWritten where it cannot be, and from then on."""
        event = {**event, "at": _now()}
        with self._lock:
            _follow(self.story, event)
            self._write(event)

    def _write(self, event: Event) -> None:
        line = json.dumps(event, ensure_ascii=True).encode() + b"\n"
        try:
            if self._torn:
                raise OSError(0, "a line before this one could not be")
            if os.write(self._fd, line) != len(line):
                raise OSError(0, "the disk is full")
            os.fsync(self._fd)
        except OSError as e:
            self._torn = True  # what other boards still have to say would stand behind half a line
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._sound_bytes)
            raise NotWritten(
                f"cannot be written: {e.strerror}", where=str(self.path), hint="make room; the same command goes on"
            ) from e
        self._sound_bytes += len(line)

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._fd)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
