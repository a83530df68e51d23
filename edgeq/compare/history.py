"""The history file: a line for each engine of each run that was added, as JSON, the oldest first by time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError, model_validator

from edgeq.compare.subject import Subject
from edgeq.report.model import EngineRun, Latency, require_its_unit
from edgeq.report.part import Count, Part, Share, Text, Value

BEGINNING = b'{"history":'  # of every line that is written
MOST_LINE = 20_000  # characters; the longest that is written has some 3,000


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is a time that UTC does not reach") from error


class Entry(Part):
    """The key figures of one engine's run: latency in `unit`, resting on `basis`; bytes; top-1 as a share of one.

    `at` is the time the entry stands at, with its zone; `differs` counts hops of the ledger that
    differ, and is null where none was compared. Read from a file, `at` is in UTC.
    """

    version: Literal[1] = Field(default=1, alias="history")
    at: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    commit: Text = ""
    label: Text = ""
    model: Text
    board: Text
    engine: Text
    basis: Literal["measured", "emulated", "modelled", "host"]
    unit: Literal["instructions", "cycles", "ns", "us", "ms"]
    n: Annotated[int, Field(gt=0)]
    p50: Value
    p90: Value
    p99: Value
    arena_bytes: Count
    scratch_bytes: Count = 0
    image_bytes: Count | None = None
    firmware_bytes: Count | None = None
    int8_top1: Share | None = None
    differs: Count | None = None

    @model_validator(mode="after")
    def _says_what_it_rests_on(self) -> Self:
        require_its_unit(self.basis, self.unit)
        return self


@dataclass(frozen=True)
class History:
    """All entries by time, and a note for each line that is none."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def entries_of(subject: Subject, at: datetime, commit: str, label: str) -> tuple[Entry, ...]:
    """A run's lines, one for each engine."""
    at = at.astimezone(UTC).replace(microsecond=0)
    return tuple(_entry(subject, run, run.latency, at, commit, label) for run in subject.engines)


def _entry(subject: Subject, run: EngineRun, latency: Latency, at: datetime, commit: str, label: str) -> Entry:
    statuses = [hop.status for hop in subject.hops]
    return Entry(
        at=at, commit=commit, label=label, model=subject.model, board=subject.board, engine=run.engine,
        basis=latency.basis, unit=latency.unit, n=latency.n, p50=latency.p50, p90=latency.p90, p99=latency.p99,
        arena_bytes=run.arena_bytes, scratch_bytes=run.scratch_bytes,
        image_bytes=subject.image_bytes, firmware_bytes=subject.firmware_bytes,
        int8_top1=subject.accuracy.int8_top1 if subject.accuracy else None,
        differs=statuses.count("differs") if any(status != "not run" for status in statuses) else None,
    )  # fmt: skip


def to_lines(entries: tuple[Entry, ...]) -> bytes:
    """What is appended: each entry in a line of its own."""
    return b"".join(entry.model_dump_json(by_alias=True).encode() + b"\n" for entry in entries)


def read_history(data: bytes) -> History:
    """The entries of a file. A line that is none, such as one that a crash has torn, is kept out and noted."""
    entries, notes = [], []
    for number, line, torn in _lines(data):
        try:
            entries.append(_entry_in(line))
        except ValueError as error:
            what = "is torn: what wrote it was interrupted" if torn else f"is no entry: {error}"
            notes.append(f"line {number} {what}")
    return History(tuple(sorted(entries, key=lambda entry: entry.at)), tuple(notes))


def _lines(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """Number, text, and whether the file ends within it."""
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line, number == len(lines)


def _entry_in(line: bytes) -> Entry:
    """The entry; ValueError says what is wrong with the line."""
    if len(line) > MOST_LINE:
        raise ValueError("is too long")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(fields, dict):
        raise ValueError("not an object of JSON")
    try:
        return Entry.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = f"`{'.'.join(map(str, first['loc']))}`: " if first["loc"] else ""
        raise ValueError(f"{field}{first['msg'].removeprefix('Value error, ')}"[:200]) from error
