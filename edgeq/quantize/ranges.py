"""Which range of floats the 256 levels of an int8 activation cover, from a histogram of what it held. Plain numpy.

Every range holds zero, so that zero, and with it every padding, has an exact int8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float]

LEVELS = 256
BINS = 4096  # at most; at least half of it, 8 bins a level, wherever there are two different values
KEPT_SHARE = 0.9999  # of the values, for a percentile's range


@dataclass(frozen=True)
class Histogram:
    """Counts of values: `counts[i]` are in [(first + i) * width, (first + i + 1) * width), `width` a power of two.

    Bins lie on multiples of the width, so that two of them become one exactly: the histogram of some values is the
    same in whatever order and in however many parts they came. `low` and `high` are the values' exact extremes.
    """

    low: float
    high: float
    width: float
    first: int
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Histogram:
        """Of one or more finite values."""
        flat = values.ravel().astype(np.float64)
        low, high = float(flat.min()), float(flat.max())
        width = _width(low, high)
        index = np.floor(flat / width).astype(np.int64)
        first = int(index.min())
        return cls(low, high, width, first, np.bincount(index - first))

    def __add__(self, other: Histogram) -> Histogram:
        """Of the values of both."""
        low, high = min(self.low, other.low), max(self.high, other.high)
        width = _width(low, high)
        parts = [part._coarser(width) for part in (self, other)]
        first = min(start for start, _ in parts)
        counts = np.zeros(max(start + len(part) for start, part in parts) - first, np.int64)
        for start, part in parts:
            counts[start - first : start - first + len(part)] += part
        return Histogram(low, high, width, first, counts)

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of each bin, inside the extremes."""
        middles = (self.first + np.arange(len(self.counts)) + 0.5) * self.width
        return np.clip(middles, self.low, self.high)

    def _coarser(self, width: float) -> tuple[int, NDArray[np.int64]]:
        index = np.floor((self.first + np.arange(len(self.counts))) * (self.width / width)).astype(np.int64)
        first = int(index[0])
        return first, np.bincount(index - first, weights=self.counts).astype(np.int64)


def _width(low: float, high: float) -> float:
    """The power of two whose multiples cut low..high into no more than BINS bins.

    Against the largest magnitude it is no finer than a float64 can tell apart.
    """
    span = max(high - low, 1e-9 * max(abs(low), abs(high)), 1e-30)
    return 2.0 ** math.ceil(math.log2(span / (BINS - 1)))


def holding_zero(low: float, high: float) -> Range:
    """The range widened to hold zero."""
    return min(low, 0.0), max(high, 0.0)


def qparams(bounds: Range) -> tuple[float, int]:
    """Scale and zero point of int8 [-128, 127] over a range that holds zero (docs/numerics.md).

    The scale is (high - low) / 255 and positive also for an empty range; the zero point is zero's exact level.
    """
    low, high = bounds
    scale = max((high - low) / (LEVELS - 1), float(np.finfo(np.float32).eps))
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def fake_quantised(values: NDArray[np.float64], bounds: Range) -> NDArray[np.float64]:
    """What int8 over that range makes of the values."""
    scale, zero_point = qparams(bounds)
    levels = np.clip(np.rint(values / scale) + zero_point, -128, 127)
    return np.asarray((levels - zero_point) * scale, np.float64)


def represented(scale: float, zero_point: int) -> Range:
    """The floats of the lowest and the highest level, -128 and 127."""
    return (-128 - zero_point) * scale, (127 - zero_point) * scale


def is_clipped(values: NDArray[np.float64], bounds: Range) -> NDArray[np.bool_]:
    """Whether each value's level before clipping is none of int8's: it lies more than half a step beyond `bounds`."""
    scale, zero_point = qparams(bounds)
    levels = np.rint(values / scale) + zero_point
    return np.asarray((levels < -128) | (levels > 127))


def squared_error(histogram: Histogram, bounds: Range) -> float:
    """Mean squared error of int8 over that range, each value taken as its bin's centre."""
    centres = histogram.centres
    noise = (centres - fake_quantised(centres, bounds)) ** 2
    return float((noise * histogram.counts).sum() / histogram.counts.sum())


def minmax(histogram: Histogram) -> Range:
    """All values."""
    return holding_zero(histogram.low, histogram.high)


def percentile(histogram: Histogram, share: float = KEPT_SHARE) -> Range:
    """All but (1 - share) / 2 of the values at either end, to a bin's edge."""
    below = np.cumsum(histogram.counts) / histogram.counts.sum()
    tail = (1 - share) / 2
    first, last = np.searchsorted(below, tail, side="right"), np.searchsorted(below, 1 - tail, side="left")
    edges = histogram.first * histogram.width + np.array([first, last + 1]) * histogram.width
    low, high = np.clip(edges, histogram.low, histogram.high)
    return holding_zero(float(low), float(high))


def mse(histogram: Histogram, steps: int = 64) -> Range:
    """The least mean squared error among the extremes pulled in, each end in `steps` steps, in turn."""
    low, high = minmax(histogram)
    shares = [1 - step / steps for step in range(steps)]
    best = (low, high)
    for _ in range(2):
        best = min(((low * share, best[1]) for share in shares), key=lambda bounds: squared_error(histogram, bounds))
        best = min(((best[0], high * share) for share in shares), key=lambda bounds: squared_error(histogram, bounds))
    return best


def entropy(histogram: Histogram, steps: int = 64) -> Range:
    """The least Kullback-Leibler divergence of the quantised from the clipped values, in bins.

    The thresholds are those of TensorRT's calibrator (Migacz, GTC 2017): [-t, t], inside the extremes, for `steps` t up
    to the largest magnitude. The clipped tails' counts lie in the outermost bins of the reference, and are missing in
    the quantised one: this is what makes clipping cost something.
    """
    low, high = minmax(histogram)
    largest = max(-low, high)
    thresholds = [largest * (1 - step / steps) for step in range(steps)]
    candidates = [(max(low, -threshold), min(high, threshold)) for threshold in thresholds]
    return min(candidates, key=lambda bounds: divergence(histogram, bounds))


def divergence(histogram: Histogram, bounds: Range) -> float:
    """KL divergence, in nats, of the values' distribution inside the range after int8 from that before."""
    scale, zero_point = qparams(bounds)
    levels = np.rint(histogram.centres / scale) + zero_point
    inside = (levels >= -128) & (levels <= 127)
    if not histogram.counts[inside].any():
        return math.inf
    kept = np.where(inside, histogram.counts, 0)
    clipped = kept.astype(np.float64)
    first, last = np.flatnonzero(inside)[[0, -1]]
    clipped[first] += histogram.counts[:first].sum()
    clipped[last] += histogram.counts[last + 1 :].sum()

    # Each level's count is spread evenly over those of its bins that hold anything.
    index = np.clip(levels + 128, 0, LEVELS - 1).astype(np.int64)
    held = kept > 0
    total = np.bincount(index, weights=kept, minlength=LEVELS)
    bins = np.bincount(index, weights=held, minlength=LEVELS)
    spread = np.where(held, total[index] / np.maximum(bins[index], 1), 0.0)

    p, q = clipped / clipped.sum(), spread / spread.sum()
    present = p > 0
    return float((p[present] * np.log(p[present] / np.maximum(q[present], 1e-12))).sum())
