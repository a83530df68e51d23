"""edgeq/pipeline/explanation.py: classes that moved, the bars of a picture, which layers are pictured."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeq.pipeline import explanation
from edgeq.pipeline.explanation import moved, worst_layers


def test_moved_samples_are_counted_by_pair() -> None:
    truth = np.array([0, 0, 0, 1, 2, 2, 2, 1])
    before = np.array([0, 0, 0, 1, 2, 1, 2, 2])
    after = np.array([1, 1, 0, 1, 0, 2, 0, 0])
    found = [(m.float_class, m.int8_class, m.count, m.lost, m.won) for m in moved(before, after, truth, ("a", "b"))]
    assert found == [("2", "a", 3, 2, 0), ("a", "b", 2, 2, 0), ("b", "2", 1, 0, 1)]


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1))
def test_what_moved_explains_the_difference_of_the_accuracies(rows: list[tuple[int, int, int]]) -> None:
    before, after, truth = np.array(rows).T
    found = moved(before, after, truth, "abcd")
    assert sum(m.count for m in found) == (before != after).sum()
    assert sum(m.lost - m.won for m in found) == (before == truth).sum() - (after == truth).sum()
    assert [m.count for m in found] == sorted((m.count for m in found), reverse=True)


def _done(left_out: Any = None) -> Any:
    def part(name: str, own_sqnr_db: float) -> SimpleNamespace:
        return SimpleNamespace(name=name, own_sqnr_db=own_sqnr_db, sqnr_db=own_sqnr_db)

    noise = {"input": math.inf, "a": 30, "b": 40, "c": 20, "d": 35, "e": 50}
    activations = [part(name, db) for name, db in noise.items()]
    return SimpleNamespace(activations=activations, weights=[part("a", 33), part("e", 10)], left_out=left_out)


def test_the_worst_layers_are_those_that_rounding_hurts_or_that_cost_most() -> None:
    assert worst_layers(_done()) == ("e", "c", "a", "d")
    costs = [SimpleNamespace(names=(name, "more")) for name in "bacde"]
    assert worst_layers(_done(SimpleNamespace(costs=costs))) == ("b", "a", "c", "d")


def test_bars_hold_every_value() -> None:
    counts = np.arange(300)
    fine = SimpleNamespace(low=-1.0, high=2.0, counts=counts, centres=np.linspace(-1, 2, 300))
    made = explanation._bars(fine)  # type: ignore[arg-type]
    assert (made.low, made.high, len(made.counts)) == (-1, 2, explanation.BARS)
    assert sum(made.counts) == counts.sum()
    one = explanation._bars(SimpleNamespace(low=3.0, high=3.0, counts=np.array([7]), centres=np.array([3.0])))  # type: ignore[arg-type]
    assert sum(one.counts) == 7 and one.low < 3 < one.high


def test_decibels_that_json_can_hold() -> None:
    assert [explanation._db(db) for db in (math.inf, 12.5, -math.inf)] == [None, 12.5, -300.0]
