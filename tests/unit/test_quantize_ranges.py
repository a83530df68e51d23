"""Ranges of activations: each method against its definition, and what holds for all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgeq.quantize import ranges
from edgeq.quantize.ranges import Histogram, Range

METHODS = [ranges.minmax, ranges.percentile, ranges.mse, ranges.entropy]

finite = st.floats(-1e6, 1e6, width=32)
values = arrays.arrays(np.float32, st.integers(1, 200), elements=finite)


@given(values, values)
def test_a_histogram_is_the_same_in_one_part_and_in_two(first: np.ndarray, second: np.ndarray) -> None:
    whole, parts = Histogram.of(np.concatenate([first, second])), Histogram.of(first) + Histogram.of(second)
    assert (whole.low, whole.high, whole.width) == (parts.low, parts.high, parts.width)
    assert whole.first == parts.first and whole.counts.tolist() == parts.counts.tolist()


@given(values)
def test_a_histogram_counts_each_value_in_its_bin(data: np.ndarray) -> None:
    histogram = Histogram.of(data)
    assert histogram.counts.sum() == len(data) and len(histogram.counts) <= ranges.BINS
    edges = (histogram.first + np.arange(len(histogram.counts) + 1)) * histogram.width
    wanted = [np.count_nonzero((data >= low) & (data < high)) for low, high in itertools.pairwise(edges)]
    assert histogram.counts.tolist() == wanted


@pytest.mark.parametrize("method", METHODS)
@given(data=values)
def test_every_range_holds_zero_exactly_and_nothing_beyond_the_extremes(
    method: Callable[[Histogram], Range], data: np.ndarray
) -> None:
    histogram = Histogram.of(data)
    low, high = method(histogram)
    assert min(histogram.low, 0) <= low <= 0 <= high <= max(histogram.high, 0)
    scale, zero_point = ranges.qparams((low, high))
    assert scale > 0 and math.isfinite(scale) and -128 <= zero_point <= 127
    assert ranges.fake_quantised(np.zeros(1), (low, high))[0] == 0


@given(st.floats(-1e6, 0), st.floats(0, 1e6), st.floats(1, 10), st.floats(1, 10))
def test_a_wider_range_has_no_finer_scale(low: float, high: float, more_low: float, more_high: float) -> None:
    assert ranges.qparams((low * more_low, high * more_high))[0] >= ranges.qparams((low, high))[0]


@given(values, st.floats(-1e3, 0), st.floats(0, 1e3))
def test_larger_values_have_no_lower_levels(data: np.ndarray, low: float, high: float) -> None:
    made = ranges.fake_quantised(np.sort(data.astype(np.float64)), (low, high))
    assert (np.diff(made) >= 0).all()


@given(st.floats(-1e3, 0), st.floats(0, 1e3))
def test_values_of_the_range_move_by_one_step_at_most(low: float, high: float) -> None:
    inside = np.linspace(low, high, 101)
    scale, _ = ranges.qparams((low, high))
    # Half a step by rounding, and at the ends as much by the rounded zero point.
    assert np.abs(ranges.fake_quantised(inside, (low, high)) - inside).max() <= scale * (1 + 1e-9)


def test_minmax_is_the_extremes_widened_to_zero() -> None:
    assert ranges.minmax(Histogram.of(np.array([-1.5, 0.25, 3]))) == (-1.5, 3)
    assert ranges.minmax(Histogram.of(np.array([2.0, 3]))) == (0, 3)
    assert ranges.qparams((0.0, 255.0)) == (1, -128)
    assert ranges.qparams((-255.0, 0.0)) == (1, 127)


def test_a_percentile_leaves_the_tails_out() -> None:
    data = np.concatenate([np.arange(-500, 500) / 500, [-80.0, 90.0]])
    low, high = ranges.percentile(Histogram.of(data), share=0.99)
    width = Histogram.of(data).width
    tail = round(len(data) * 0.005)
    ordered = np.sort(data)
    assert ordered[tail] - width <= low <= ordered[tail]
    assert ordered[-tail - 1] <= high <= ordered[-tail - 1] + width


def test_mse_is_no_worse_than_any_range_of_its_grid() -> None:
    data = np.random.RandomState(0).laplace(size=5000)
    histogram = Histogram.of(data)
    best = ranges.squared_error(histogram, ranges.mse(histogram))
    for share in np.linspace(0.2, 1, 17):
        bounds = (histogram.low * share, histogram.high * share)
        assert best <= ranges.squared_error(histogram, bounds) * 1.02
    assert best < ranges.squared_error(histogram, ranges.minmax(histogram))


def test_the_histograms_error_is_that_of_the_values() -> None:
    data = np.random.RandomState(1).randn(20000)
    bounds = (-2.5, 3.0)
    wanted = ((ranges.fake_quantised(data, bounds) - data) ** 2).mean()
    assert ranges.squared_error(Histogram.of(data), bounds) == pytest.approx(wanted, rel=0.02)


def test_divergence_by_hand() -> None:
    """Values on the centres of bins; levels two bins wide, so that a level's count is spread over both."""
    counts = np.array([1, 3, 0, 2])
    histogram = Histogram(0.0, 4.0, 1.0, 0, counts)
    bounds = (0.0, 2.0 * 255)
    # Levels 0, 1, 2 are at 0, 2, 4 (halves to even): centres 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 3.5 -> 4.
    assert ranges.divergence(histogram, bounds) == pytest.approx(0, abs=1e-12)
    # 100 apart: all in the level of zero; the three bins that hold anything get 2 each.
    p, q = np.array([1, 3, 2]) / 6, np.array([2, 2, 2]) / 6
    assert ranges.divergence(histogram, (0.0, 100.0 * 255)) == pytest.approx(float((p * np.log(p / q)).sum()))


def test_entropy_clips_a_lone_outlier_that_minmax_keeps() -> None:
    data = np.append(np.random.RandomState(2).randn(50000), 60.0)
    histogram = Histogram.of(data)
    low, high = ranges.entropy(histogram)
    assert high < 10 and ranges.minmax(histogram)[1] == 60
    assert ranges.divergence(histogram, (low, high)) < ranges.divergence(histogram, ranges.minmax(histogram))
