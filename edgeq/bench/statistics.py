"""The summary of a latency over many runs: percentiles, extremes, mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """A latency over `n` runs, in the unit of the values it was made from."""

    n: int
    p50: float
    p90: float
    p99: float
    min: float
    max: float
    mean: float


def percentile(values: Sequence[float], percent: int) -> float:
    """The `percent`-th percentile by nearest rank: the value at rank ceil(percent / 100 * n), counted from 1.

    This is definition 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American
    Statistician 50 (1996): the inverse of the empirical distribution. It is always one of the values, so that
    counts of instructions stay the whole numbers that were counted. With fewer than 100 runs p99 is therefore
    the slowest run.

    Raises ValueError without values, with one that is not finite, or with a percent outside 1..100.
    """
    if not 1 <= percent <= 100:
        raise ValueError(f"percent is {percent}, not in 1..100")
    return _at_rank(_in_order(values), percent)


def summarize(values: Sequence[float]) -> Summary:
    """Summary of the latencies of single runs, in any order and in one unit.

    Percentiles are by nearest rank. Whole numbers stay `int`; the mean is an `int` where it is exactly one.
    Raises ValueError without values or with one that is not finite.
    """
    ordered = _in_order(values)
    return Summary(
        n=len(ordered),
        p50=_at_rank(ordered, 50),
        p90=_at_rank(ordered, 90),
        p99=_at_rank(ordered, 99),
        min=ordered[0],
        max=ordered[-1],
        mean=_mean(ordered),
    )


def _in_order(values: Sequence[float]) -> list[float]:
    if not values:
        raise ValueError("there is no run to summarise")
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a latency is not finite")
    return sorted(values)


def _at_rank(ordered: list[float], percent: int) -> float:
    rank = -(-percent * len(ordered) // 100)  # ceil, in whole numbers
    return ordered[rank - 1]


def _mean(values: list[float]) -> float:
    if all(isinstance(value, int) for value in values):
        whole, rest = divmod(sum(values), len(values))
        if not rest:
            return whole
        return sum(values) / len(values)
    return math.fsum(values) / len(values)
