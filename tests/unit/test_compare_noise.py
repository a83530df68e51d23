"""Noise does not cry wolf, and a true change is seen: boards that are simulated, 200 of each kind.

A board's single latency is the true one times noise of 3 % (one standard deviation). 200 seeds give 200 pairs of a BASE
and a NEW of 50 runs; a network has 30 layers, each with noise of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeq.bench.statistics import percentile, summarize
from edgeq.compare import words
from edgeq.compare.bootstrap import ratio_interval
from edgeq.compare.compare import compare
from edgeq.compare.finding import Comparison
from edgeq.compare.gate import Gate, read_gate
from edgeq.compare.judge import noisy
from edgeq.compare.subject import Subject
from edgeq.report.model import EngineRun, Latency, Layer

SEEDS, RUNS, LAYERS, NOISE = 200, 50, 30, 0.03
TRUE_US = np.geomspace(20_000, 1_000, LAYERS)  # from 10 % to 0.5 % of the whole

Values = NDArray[np.float64]
Board = Callable[[np.random.Generator, int], Values]


def normal(random: np.random.Generator, n: int) -> Values:
    """3 % about the true value."""
    return 1 + NOISE * random.standard_normal(n)


def outliers(random: np.random.Generator, n: int) -> Values:
    """One run in ten takes up to twice as long: an interrupt, a cache that is cold."""
    return normal(random, n) * np.where(random.random(n) < 0.1, 1 + random.random(n), 1)


def drift(random: np.random.Generator, n: int) -> Values:
    """A board that warms up, or a clock that settles: up to 2 % from the first run to the last, either way."""
    return normal(random, n) * np.linspace(1, 1 + random.uniform(-0.02, 0.02), n)


BOARDS = [normal, outliers, drift]


def _network(random: np.random.Generator, board: Board, slower: Values, profiles: int) -> Subject:
    """A board's run whose layers take `slower` times the true microseconds; the total has its own noise. Without
    profiles it knows no layers."""
    runs = [int(us) for us in 1000 * (TRUE_US * slower).sum() * board(random, RUNS)]
    layers = []
    for index, us in enumerate(TRUE_US * slower if profiles else ()):
        values = [int(ns) for ns in 1000 * us * board(random, profiles)]
        layers.append(
            Layer(name=f"conv{index}", op="CONV_2D", macs=index, value=percentile(values, 50), values=tuple(values))
        )
    summary = summarize(runs)
    latency = Latency(
        basis="measured", unit="ns", n=RUNS, p50=summary.p50, p90=summary.p90, p99=summary.p99, min=summary.min,
        max=summary.max, mean=summary.mean, values=tuple(runs), layers=tuple(layers),
    )  # fmt: skip
    run = EngineRun(engine="native", arena_bytes=1, latency=latency)
    return Subject(model="m", input=(1, 8, 8, 3), board="b", kind="real", engines=(run,))


def _compared(seed: int, board: Board, slower: Values, profiles: int = RUNS) -> Comparison:
    random = np.random.default_rng(seed)
    base = _network(random, board, np.ones(LAYERS), profiles)
    return compare(base, _network(random, board, slower, profiles), Gate())


@pytest.mark.parametrize(
    ("board", "profiles"),
    [
        *((board, RUNS) for board in BOARDS),
        (normal, 10),
        *(pytest.param(board, 10, marks=pytest.mark.slow) for board in (outliers, drift)),
    ],
)
def test_noise_alone_is_reported_in_none_of_200_networks(board: Board, profiles: int) -> None:
    """Of neither the total nor any of 30 layers: 6,200 findings, and not one is wrong."""
    wrong = [seed for seed in range(SEEDS) if not _compared(seed, board, np.ones(LAYERS), profiles).passed]
    assert wrong == []


@pytest.mark.parametrize("board", BOARDS)
def test_a_true_tenth_is_reported_in_at_least_195_of_200_networks(board: Board) -> None:
    """The whole network is a tenth slower: the total says so."""
    failed = [_compared(seed, board, np.full(LAYERS, 1.1), profiles=0).failed for seed in range(SEEDS)]
    assert sum(bool(found) for found in failed) >= 195


@pytest.mark.parametrize("board", [normal, pytest.param(outliers, marks=pytest.mark.slow), drift])
def test_a_layer_that_is_a_tenth_slower_is_named_alone(board: Board) -> None:
    """The total moves by half a per cent; the layer is seen at the level of 30 tests, and no other is accused."""
    slower = np.ones(LAYERS)
    slower[7] = 1.1
    named = [[f.what for f in _compared(seed, board, slower).failed] for seed in range(SEEDS)]
    assert sum(found == ["conv7"] for found in named) >= 195
    assert {what for found in named for what in found} == {"conv7"}


def test_few_values_decide_nothing_and_it_is_said() -> None:
    found = _compared(0, normal, np.full(LAYERS, 2.0), profiles=9)
    layers = [f for f in found.findings if f.rule == "layer"]
    assert {f.verdict for f in layers} == {"not compared"}
    assert {f.why for f in layers} == {"9 values in BASE, 9 in NEW: decided from 10 each"}
    assert [f.rule for f in found.failed] == ["latency"]


def test_noise_is_no_change_to_read_of() -> None:
    found = _compared(3, normal, np.ones(LAYERS))
    assert words.changed(found) == [] and [f.what for f in words.shown(found)] == ["total"]


def test_a_faster_board_is_improved() -> None:
    found = _compared(0, normal, np.full(LAYERS, 0.85))
    assert found.passed and {f.verdict for f in found.findings if f.rule in ("latency", "layer")} == {"improved"}


def test_a_process_is_shown_and_held_only_if_the_gate_says_so() -> None:
    def host(slower: float) -> Subject:
        (run,) = _network(np.random.default_rng(1), normal, np.full(LAYERS, slower), 10).engines
        latency = run.latency.model_copy(update={"basis": "host"})
        return Subject("m", (1, 8, 8, 3), "b", "host", (run.model_copy(update={"latency": latency}),))

    found = compare(host(1.0), host(2.0), Gate())
    times = [f for f in found.findings if f.rule in ("latency", "layer")]
    assert found.passed and {f.verdict for f in times} == {"not compared"} and all("hold_host" in f.why for f in times)
    assert all(f.change is not None and f.change > 0.8 and f.interval is not None for f in times)
    held = compare(host(1.0), host(2.0), read_gate("[noise]\nhold_host = true"))
    assert "latency" in {f.rule for f in held.failed}


def test_a_change_below_the_least_effect_is_none_however_sure() -> None:
    base = [100_000 + i for i in range(50)]
    new = [104_900 + i for i in range(50)]
    judged = noisy(base, new, 0.01, Gate().noise)
    assert judged.interval is not None and judged.interval[0] > 0.01
    assert (judged.verdict, judged.why) == ("passed", "within the noise")


def test_values_of_zero_have_no_ratio() -> None:
    judged = noisy([0.0] * 20, [1.0] * 20, 0.01, Gate().noise)
    assert judged.verdict == "not compared" and judged.change is None


@pytest.mark.parametrize("n", [2, 5, 10, 51])
def test_the_drawn_median_has_the_distribution_of_plain_resampling(n: int) -> None:
    """The interval against one by drawing every value, which needs no theory; both err by the draws."""
    random = np.random.default_rng(n)
    base, new = normal(random, n), 1.1 * normal(random, n)
    places = random.integers(0, n, (2, 40_000, n))
    rank = -(-n // 2) - 1
    medians = [np.sort(values[drawn], axis=1)[:, rank] for values, drawn in zip((base, new), places, strict=True)]
    plain = np.quantile(medians[1] / medians[0], (0.025, 0.975))
    assert ratio_interval(list(base), list(new), 0.95) == pytest.approx(tuple(plain), abs=2e-3)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """At 90 %, of 400 samples of 50: 360 are expected, 345 are two and a half standard deviations below."""
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        low, high = ratio_interval(list(normal(random, 50)), list(1.1 * normal(random, 50)), 0.9, draws=4000)
        covered += low <= 1.1 <= high
    assert covered >= 345


def test_the_same_values_give_the_same_interval() -> None:
    values = [float(value) for value in range(90, 110)]
    assert ratio_interval(values, values, 0.95) == ratio_interval(values, values, 0.95)
    with pytest.raises(ValueError, match="above zero"):
        ratio_interval([0.0], [1.0], 0.95)
