"""edgeq/bench/statistics.py: percentiles by nearest rank, whole numbers kept whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.bench.statistics import percentile, summarize

counts = st.lists(st.integers(0, 2**63), min_size=1, max_size=300)


def test_textbook_example() -> None:
    """Nearest rank on 15 20 35 40 50: ranks 2, 3 and 5."""
    scores = [35, 20, 15, 50, 40]
    assert [percentile(scores, p) for p in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


def test_hundred_and_one_runs() -> None:
    summary = summarize(list(range(1, 102)))
    assert (summary.n, summary.p50, summary.p90, summary.p99) == (101, 51, 91, 100)
    assert (summary.min, summary.max, summary.mean) == (1, 101, 51)


def test_one_run_is_every_percentile() -> None:
    summary = summarize([24_900_123])
    assert {summary.p50, summary.p90, summary.p99, summary.min, summary.max, summary.mean} == {24_900_123}


def test_whole_numbers_stay_whole_beyond_the_precision_of_a_float() -> None:
    big = 2**60 + 1
    summary = summarize([big, big, big])
    assert summary.p99 == big and summary.mean == big and isinstance(summary.mean, int)


def test_a_mean_that_is_no_whole_number_is_a_fraction() -> None:
    assert summarize([1, 2]).mean == 1.5


@given(counts, st.integers(1, 100))
def test_percentile_covers_its_share_and_no_smaller_value_does(values: list[int], percent: int) -> None:
    """The definition, by counting: the least value with at least `percent` % of the runs up to it."""
    answer = percentile(values, percent)

    def share(limit: float) -> int:
        return 100 * sum(value <= limit for value in values)

    assert answer in values
    assert share(answer) >= percent * len(values)
    assert all(share(value) < percent * len(values) for value in values if value < answer)


@given(counts)
def test_order_of_runs_does_not_matter(values: list[int]) -> None:
    assert summarize(values) == summarize(values[::-1])


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_no_summary_without_sound_values(values: list[float]) -> None:
    with pytest.raises(ValueError):
        summarize(values)


@pytest.mark.parametrize("percent", [0, 101])
def test_percent_out_of_range(percent: int) -> None:
    with pytest.raises(ValueError):
        percentile([1], percent)
