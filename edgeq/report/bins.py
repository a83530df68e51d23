"""How the runs of a latency are spread: counts in equally wide bins, those the board's firmware counts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_BINS = 8


@dataclass(frozen=True)
class Bin:
    """`count` values from `low` to below `end`, in the values' unit."""

    low: float
    end: float
    count: int


def bins(values: Sequence[float]) -> tuple[Bin, ...]:
    """At most 8 bins from the least value to the largest, none without values, one where all are equal.

    Whole numbers have bins of a whole width, (max - min) // 8 + 1: the table that the board prints of itself.
    """
    if not values:
        return ()
    least, most = min(values), max(values)
    if all(isinstance(value, int) for value in values):
        width: float = (most - least) // MOST_BINS + 1
    else:
        width = (most - least) / MOST_BINS or 1.0
    last = min(int((most - least) / width), MOST_BINS - 1) if isinstance(width, float) else (most - least) // width
    counts = [0] * (int(last) + 1)
    for value in values:
        counts[min(int((value - least) // width), len(counts) - 1)] += 1
    return tuple(Bin(least + i * width, least + (i + 1) * width, count) for i, count in enumerate(counts))
