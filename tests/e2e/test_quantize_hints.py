"""edgeq/quantize/hints.py: each rule speaks where its cause is, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeq.quantize.hints import CLEAN_DB, FINE_DB, LITTLE_LOST, Findings, Hint, emptiness, hints
from edgeq.quantize.ranges import Histogram
from edgeq.quantize.trace import Activation
from edgeq.quantize.weights import Weight

VALUES = Histogram.of(np.linspace(-1, 1, 10_001))


def _activation(name: str, **changes: Any) -> Activation:
    sound = Activation(name, (4, 8, 8), 2 / 255, 0, 40.0, 45.0, 44.0, (-1.0, 1.0), 0.0, 256, 1.5, VALUES)
    return replace(sound, **changes)


def _weight(name: str, **changes: Any) -> Weight:
    sound = Weight(name, (4, 3, 3, 3), True, 44.0, 42.0, 1.5, (-1.0, 1.0), VALUES)
    return replace(sound, **changes)


def _findings(**changes: Any) -> Findings:
    """A network that loses five points, and shows no cause."""
    lost = Findings(
        [_activation("input"), _activation("a"), _activation("b"), _activation("fc")],
        [_weight("a"), _weight("b")],
        float_top1=0.9, int8_top1=0.85, calibration_samples=256, per_channel=True, observer="minmax", effort="quick",
        trained=False, explained=True,
    )  # fmt: skip
    return replace(lost, **changes)


def _by_rule(findings: Findings) -> dict[str, Hint]:
    made = hints(findings)
    found = {hint.rule: hint for hint in made}
    assert len(found) == len(made)
    return found


def _with(**changes: Any) -> list[Activation]:
    return [_activation("input"), _activation("a"), _activation("b", **changes), _activation("fc")]


def test_a_network_that_lost_nothing_gets_no_hint() -> None:
    spoiled = _with(clipped=0.5, own_sqnr_db=1.0, channel_spread=99.0, median_channel_db=1.0)
    assert hints(_findings(int8_top1=0.9, activations=spoiled, calibration_samples=1)) == ()
    assert hints(_findings(int8_top1=0.9 - 0.99 * LITTLE_LOST)) == ()
    assert hints(_findings(int8_top1=0.95)) == ()


def test_an_output_drowned_in_noise_is_wrong_even_where_top1_survives() -> None:
    output = [_activation("input"), _activation("fc", sqnr_db=FINE_DB - 1)]
    (hint,) = hints(_findings(int8_top1=0.9, activations=output))
    assert "19.0 dB" in hint.found


def test_without_a_cause_more_effort_is_what_remains() -> None:
    assert _by_rule(_findings())["effort"].tries == "--effort normal"
    assert _by_rule(_findings(effort="normal"))["effort"].tries == "--effort best"
    assert "5.00 points" in _by_rule(_findings())["effort"].found
    assert list(_by_rule(_findings(effort="best"))) == ["training"]
    assert "--qat" in _by_rule(_findings(effort="best"))["training"].tries
    assert hints(_findings(effort="best", trained=True)) == ()


def test_what_each_layer_costs_is_to_be_measured() -> None:
    assert "explain" not in _by_rule(_findings())
    assert "--explain" in _by_rule(_findings(explained=False))["explain"].tries


@pytest.mark.parametrize(("count", "few"), [(31, True), (32, False)])
def test_few_samples(count: int, few: bool) -> None:
    found = _by_rule(_findings(calibration_samples=count))
    assert ("samples" in found) == few
    if few:
        assert "31" in found["samples"].found and "--samples" in found["samples"].tries


@pytest.mark.parametrize(
    ("observer", "seen", "tries"),
    [
        ("percentile", (-1.0, 1.0), "--observer minmax"),  # calibration saw it all and cut it off
        ("percentile", (-0.5, 1.0), "calibration samples"),  # it did not
        ("percentile", None, "--observer minmax"),
        ("minmax", (-1.0, 0.5), "calibration samples"),
        ("minmax", (-1.0, 1.0), "calibration samples"),
    ],
)
def test_clipped_values(observer: str, seen: tuple[float, float] | None, tries: str) -> None:
    found = _by_rule(_findings(activations=_with(clipped=0.02, seen=seen), observer=observer))["clipped"]
    assert tries in found.tries and found.layers == ("b",) and "2 %" in found.found
    assert "clipped" not in _by_rule(_findings(activations=_with(clipped=0.0009)))


def test_outliers_that_widen_a_range() -> None:
    wide = {"scale": 20 / 255, "own_sqnr_db": 22.0}
    assert emptiness(_activation("b", **wide)) == pytest.approx(10, rel=0.01)
    found = _by_rule(_findings(activations=_with(**wide)))["outliers"]
    assert found.tries == "--observer auto" and "10 times" in found.found and found.layers == ("b",)
    assert "outliers" not in _by_rule(_findings(activations=_with(**wide), observer="mse"))
    assert "outliers" not in _by_rule(_findings(activations=_with(scale=20 / 255, own_sqnr_db=CLEAN_DB)))
    assert "outliers" not in _by_rule(_findings(activations=_with(scale=10 / 255, own_sqnr_db=22.0)))


def test_one_channel_rules_the_scale_of_the_weights() -> None:
    ruled: dict[str, Any] = {"per_channel": False, "channel_spread": 50.0, "worst_channel_db": 8.0}
    weights = [_weight("a"), _weight("b", **ruled)]
    found = _by_rule(_findings(weights=weights, per_channel=False))["weights"]
    assert "--per-tensor" in found.tries and "50 times" in found.found and found.layers == ("b",)
    linear = [_weight("a"), _weight("fc", **ruled, shape=(10, 64))]  # per tensor whatever is asked for
    assert _by_rule(_findings(weights=linear))["weights"].tries == "--effort best"
    assert "weights" not in _by_rule(_findings(weights=linear, effort="best"))
    for sound in ({"per_channel": True}, {"channel_spread": 7.0}, {"worst_channel_db": CLEAN_DB}):
        assert "weights" not in _by_rule(_findings(weights=[_weight("b", **(ruled | sound))], per_channel=False))


def test_one_channel_rules_the_scale_of_an_activation() -> None:
    ruled = {"channel_spread": 20.0, "median_channel_db": 20.0}
    found = _by_rule(_findings(activations=_with(**ruled)))["channels"]
    assert found.tries == "--effort best" and "20 times" in found.found and found.layers == ("b",)
    assert "channels" not in _by_rule(_findings(activations=_with(**ruled), effort="best"))
    for sound in ({"channel_spread": 7.0}, {"median_channel_db": CLEAN_DB}):
        assert "channels" not in _by_rule(_findings(activations=_with(**(ruled | sound))))
    # Equalisation reaches neither end.
    ends = [_activation("input", **ruled), _activation("a"), _activation("fc", **ruled)]
    assert "channels" not in _by_rule(_findings(activations=ends))


def test_the_worst_layers_are_named_first_and_no_more_than_three() -> None:
    activations = [_activation(f"layer{i}", clipped=0.01 * i) for i in range(6)]
    assert _by_rule(_findings(activations=activations))["clipped"].layers == ("layer5", "layer4", "layer3")
