"""The verdict on one number that should not grow: exactly where it is counted, by an interval where it is noisy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgeq.bench.statistics import percentile
from edgeq.compare.bootstrap import ratio_interval
from edgeq.compare.finding import Verdict
from edgeq.compare.gate import NoiseLimits
from edgeq.report.wording import counted

_ROUNDING = 1e-12  # 103 over 100 is 3 %, not more


@dataclass(frozen=True)
class Judged:
    """What a finding takes from here. `change`, `limit` and `interval` are ratios less one."""

    base: float
    new: float
    verdict: Verdict
    why: str = ""
    change: float | None = None
    limit: float | None = None
    interval: tuple[float, float] | None = None


def ratio_less_one(base: float, new: float) -> float | None:
    """The change as a share of `base`; None where that is zero, or so little that no number holds the ratio."""
    change = new / base - 1 if base else math.inf
    return change if math.isfinite(change) else None


def exact(base: float, new: float, limit: float) -> Judged:
    """Of counted numbers every change is real; one beyond `limit`, a share of `base`, fails or is an improvement."""
    allowed = None if math.isinf(limit) else limit
    change = ratio_less_one(base, new)
    if change is None:
        appeared = new > base
        verdict: Verdict = "not compared" if allowed is None else "failed" if appeared else "passed"
        return Judged(base, new, verdict, "there was none in BASE" if appeared else "", None, allowed)
    if allowed is None:
        return Judged(base, new, "not compared", "the gate sets no limit", change)
    return Judged(base, new, _verdict(change, change, limit), "", change, limit)


def noisy(base: Sequence[float], new: Sequence[float], limit: float, noise: NoiseLimits, tests: int = 1) -> Judged:
    """Of measured values the medians' ratio is judged by its bootstrap interval, at a level at which `tests` intervals
    together hold with the gate's confidence (Bonferroni): its near end must be beyond `limit`, and the change at least
    the gate's least effect."""
    if not base or not new:
        raise ValueError("there are no values to judge")
    before, after = percentile(base, 50), percentile(new, 50)
    if min(*base, *new) <= 0:
        return Judged(before, after, "not compared", "a value of zero has no ratio")
    change = ratio_less_one(before, after)
    if change is None:
        return Judged(before, after, "not compared", "there was next to none in BASE")
    if math.isinf(limit):
        return Judged(before, after, "not compared", "the gate sets no limit", change)
    if min(len(base), len(new)) < noise.least_values:
        why = f"{counted(len(base), 'value')} in BASE, {len(new):,} in NEW: decided from {noise.least_values} each"
        return Judged(before, after, "not compared", why, change, limit)
    doubt = (1 - noise.confidence_percent / 100) / tests
    low, high = (end - 1 for end in ratio_interval(base, new, 1 - doubt))
    verdict: Verdict = "passed"
    if abs(change) >= noise.least_effect_percent / 100:
        verdict = _verdict(low, high, limit)
    why = "within the noise" if verdict == "passed" and abs(change) > limit else ""
    return Judged(before, after, verdict, why, change, limit, (low, high))


def _verdict(low: float, high: float, limit: float) -> Verdict:
    if low > limit + _ROUNDING:
        return "failed"
    return "improved" if high < -limit - _ROUNDING else "passed"
