"""A history as curves: one for each model, board, engine, basis and unit, so that no axis has two kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgeq.compare.history import Entry, History
from edgeq.compare.latency import EXACT
from edgeq.report import wording

HEAD = ("commit", "label", "time (UTC)", "p50", "change", "arena", "model", "firmware", "INT8 top-1", "ledger")
WORDS = 2  # so many of its columns are words
MOST_CURVES = 100  # those with the newest entries
MOST_POINTS = 200  # the last; a page of more is not read
MOST_NOTES = 20

_Key = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Series:
    """Entries of one kind by time, the oldest first; at least one, at most 200 of `count`."""

    entries: tuple[Entry, ...]
    count: int

    @property
    def last(self) -> Entry:
        """The newest."""
        return self.entries[-1]

    @property
    def title(self) -> str:
        """What it is about."""
        return f"{self.last.model} on {self.last.board}, {self.last.engine}, {self.last.basis}"


@dataclass(frozen=True)
class Trend:
    """What is drawn of a history, at most 100 curves, and a note for what is kept out."""

    curves: tuple[Series, ...]
    notes: tuple[str, ...]


def trend_of(history: History) -> Trend:
    """The curves that were added to last, in the order in which they began."""
    curves, notes = series_of(history.entries), history.notes
    if len(notes) > MOST_NOTES:
        notes = (*notes[:MOST_NOTES], f"and {wording.counted(len(notes) - MOST_NOTES, 'line')} more")
    if len(curves) > MOST_CURVES:
        newest = sorted(range(len(curves)), key=lambda place: curves[place].last.at)[-MOST_CURVES:]
        notes = (*notes, f"{wording.counted(len(curves) - MOST_CURVES, 'curve')} with older last entries")
        curves = tuple(curves[place] for place in sorted(newest))
    return Trend(curves, notes)


def series_of(entries: Sequence[Entry]) -> tuple[Series, ...]:
    """The curves, in the order in which they began."""
    kinds: dict[_Key, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.at):
        kinds.setdefault((entry.model, entry.board, entry.engine, entry.basis, entry.unit), []).append(entry)
    return tuple(Series(tuple(found[-MOST_POINTS:]), len(found)) for found in kinds.values())


def caption(series: Series) -> str:
    """What the numbers are, how many, and how far they went."""
    last = series.last
    shown = f", the last {len(series.entries)}" if series.count > len(series.entries) else ""
    entries = "1 entry" if series.count == 1 else f"{series.count:,} entries"
    said = f"p50 in {last.unit}, {wording.BASIS[last.basis]}. {entries}{shown}"
    return f"{said}; {change(series.entries[0], last)} since the first." if len(series.entries) > 1 else f"{said}."


def rows(series: Series) -> list[tuple[str, ...]]:
    """The entries under `HEAD`, the newest first, each with its change against the one before."""
    before: list[Entry | None] = [None, *series.entries[:-1]]
    pairs = zip(before, series.entries, strict=True)
    return [_row(entry, old) for old, entry in reversed(list(pairs))]


def change(old: Entry, new: Entry) -> str:
    """How the p50 went from one to the other."""
    if new.p50 == old.p50:
        return "no change"
    return f"{100 * (new.p50 / old.p50 - 1):+.2f} %" if old.p50 else "–"


def slower(series: Series) -> list[int]:
    """The places of entries that are at least 1 % slower than the one before; of counts alone, for a clock is noisy."""
    if series.last.basis not in EXACT:
        return []
    moved = enumerate(pairwise(series.entries), start=1)
    return [place for place, (old, new) in moved if old.p50 and new.p50 / old.p50 - 1 >= 0.01]


def _row(entry: Entry, old: Entry | None) -> tuple[str, ...]:
    ledger = "–" if entry.differs is None else f"{entry.differs} differ" if entry.differs else "holds"
    return (
        entry.commit[:12] or "–", entry.label or "–", f"{entry.at:%Y-%m-%d %H:%M}",
        _p50(entry), "" if old is None else change(old, entry),
        wording.size(entry.arena_bytes), _size(entry.image_bytes), _size(entry.firmware_bytes),
        "–" if entry.int8_top1 is None else wording.percent(entry.int8_top1), ledger,
    )  # fmt: skip


def _p50(entry: Entry) -> str:
    """A count without its unit, which the caption names."""
    counted = entry.unit in ("instructions", "cycles")
    return wording.number(entry.p50) if counted else wording.quantity(entry.p50, entry.unit)


def _size(count: int | None) -> str:
    return "–" if count is None else wording.size(count)
