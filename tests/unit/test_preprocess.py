"""Preprocessing in integers stays within 1 LSB of that in real numbers; pixels, sections and refusals."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import QuantParams
from edgeq.preprocess import FloatRule, IntegerRule, decode_section, encode_section, integer_rule, to_pixels
from edgeq.preprocess.integer_rule import MULTIPLIER_MOST, OFFSET_MOST
from edgeq.quantize.recipe import InputFacts


def real_rule(
    height: int = 4, width: int = 4, channels: int = 1, method: str = "bilinear", white: float = 255.0
) -> FloatRule:
    mean, std = (0.485, 0.456, 0.406)[:channels], (0.229, 0.224, 0.225)[:channels]
    return FloatRule(height, width, channels, method, 1 / white, mean, std, white)  # type: ignore[arg-type]


def difference(rule: FloatRule, stored: np.ndarray, input_scale: float, zero_point: int) -> int:
    """The largest, in LSB of the int8 input."""
    exact = QuantParams.per_tensor(input_scale, zero_point).quantise(rule.apply(stored[None]), "int8")[0]
    fixed = integer_rule(rule, input_scale, zero_point).apply(to_pixels(stored, rule.white))
    return int(np.abs(exact.astype(int) - fixed).max())


def test_bytes_differ_by_one_lsb_at_most_and_rarely() -> None:
    rng, far = random.Random(1), []
    for _ in range(300):
        channels = rng.choice((1, 3))
        rule = real_rule(rng.randint(1, 40), rng.randint(1, 40), channels, rng.choice(("nearest", "bilinear")))
        shape = (rng.randint(1, 50), rng.randint(1, 50), rng.choice((1, 3)))
        stored = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, shape)
        far.append(difference(rule, stored, rng.uniform(0.005, 0.04), rng.randint(-128, 127)))
    assert max(far) == 1  # none at all would mean that nothing was compared
    assert sum(far) < 200


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_the_bound_holds_at_the_steepest_multiplier(method: str) -> None:
    """One pixel value is 16 steps of int8: the rounded weights of docs/preprocessing.md just stay below 1 LSB."""
    rng = np.random.default_rng(2)
    scale = 1 / 255 / 16
    for seed in range(100):
        zero = int(rng.integers(-128, 128))
        mean = float(rng.uniform(0, 1))
        rule = FloatRule(int(rng.integers(1, 60)), int(rng.integers(1, 60)), 1, method, 1 / 255, (mean,), (1.0,))  # type: ignore[arg-type]
        stored = np.random.default_rng(seed).choice([0, 255], (int(rng.integers(1, 60)), int(rng.integers(1, 60)), 1))
        assert difference(rule, stored, scale, zero) <= 1


def test_the_digits_stored_pixels_are_within_one_lsb() -> None:
    rule = InputFacts(shape=(1, 32, 32, 3), scale=0.0625, white=16, mean=(0.3,) * 3, std=(0.35,) * 3).rule
    rng = np.random.default_rng(3)
    far = [difference(rule, rng.integers(0, 17, (8, 8, 1)), 2.858 / 255, -51) for _ in range(50)]
    assert max(far) == 1


def test_grey_is_repeated_and_colour_is_weighed() -> None:
    to_colour = integer_rule(FloatRule(1, 1, 3, "nearest", 1.0, (0.0, 1.0, 2.0), (1.0,) * 3), 1.0, 0)
    assert to_colour.apply(np.full((1, 1, 1), 9, np.uint8)).ravel().tolist() == [9, 8, 7]
    to_grey = integer_rule(FloatRule(1, 1, 1, "nearest", 1.0, (128.0,), (1.0,)), 1.0, 0)
    colours = {(255, 0, 0): 77 - 128, (0, 255, 0): 149 - 128, (0, 0, 255): 29 - 128, (255, 255, 255): 127}
    for rgb, grey in colours.items():
        assert to_grey.apply(np.array(rgb, np.uint8).reshape(1, 1, 3)).ravel().tolist() == [grey]


def test_pixel_centres_lie_at_half_integers() -> None:
    rule = integer_rule(FloatRule(1, 4, 1, "bilinear", 1.0, (0.0,), (1.0,)), 1.0, 0)
    assert rule.apply(np.array([[[0], [4]]], np.uint8)).ravel().tolist() == [0, 1, 3, 4]
    nearest = integer_rule(FloatRule(1, 6, 1, "nearest", 1.0, (0.0,), (1.0,)), 1.0, 0)
    assert nearest.apply(np.array([[[1], [2], [3]]], np.uint8)).ravel().tolist() == [1, 1, 2, 2, 3, 3]


def test_values_are_clamped() -> None:
    rule = integer_rule(FloatRule(1, 1, 1, "nearest", 4.0, (255.0,), (1.0,)), 1.0, 0)
    assert [rule.apply(np.full((1, 1, 1), v, np.uint8)).item() for v in (0, 64, 255)] == [-128, 1, 127]


def test_stored_values_become_pixels() -> None:
    assert to_pixels(np.array([0, 1, 8, 16]), 16).tolist() == [0, 16, 128, 255]
    assert to_pixels(np.array([0.0, 0.5, 1.0], np.float32), 1).tolist() == [0, 128, 255]
    assert (to_pixels(np.arange(256), 255) == np.arange(256)).all()


@pytest.mark.parametrize("stored", [[-0.1], [16.1], [float("nan")]])
def test_what_is_no_pixel_is_refused(stored: list[float]) -> None:
    with pytest.raises(BadInput, match="must lie in 0 to white = 16"):
        to_pixels(np.array(stored), 16)


rules = st.builds(
    lambda height, width, method, rows, white: IntegerRule(
        height, width, len(rows), method, tuple(r[0] for r in rows), tuple(r[1] for r in rows), white
    ),
    st.integers(1, 16384),
    st.integers(1, 16384),
    st.sampled_from(["nearest", "bilinear"]),
    st.lists(
        st.tuples(st.integers(-MULTIPLIER_MOST, MULTIPLIER_MOST), st.integers(-OFFSET_MOST, OFFSET_MOST)),
        min_size=3,
        max_size=3,
    ).flatmap(lambda rows: st.sampled_from([rows, rows[:1]])),
    st.floats(2**-9, 65536, width=32),
)


@given(rules)
def test_a_section_is_read_back(rule: IntegerRule) -> None:
    assert decode_section(encode_section(rule), "test") == rule


@pytest.mark.parametrize(
    ("rule", "scale", "what"),
    [
        (FloatRule(1, 1, 2, "nearest", 1.0, (0.0,) * 2, (1.0,) * 2), 1.0, "1 or 3 channels, not 2"),
        (FloatRule(1, 16385, 1, "nearest", 1.0, (0.0,), (1.0,)), 1.0, "1 to 16384"),
        (FloatRule(1, 1, 1, "nearest", 1.0, (0.0,), (1.0,)), 1 / 17, "more than 16 steps"),
        (FloatRule(1, 1, 1, "nearest", 1.0, (1e6,), (1.0,)), 1.0, "mean lies far off"),
    ],
)
def test_what_the_integers_have_no_room_for(rule: FloatRule, scale: float, what: str) -> None:
    with pytest.raises(Unsupported, match=what):
        integer_rule(rule, scale, 0)


@pytest.mark.parametrize(
    ("picture", "what"),
    [
        (np.zeros((1, 1, 2), np.uint8), "1 or 3"),
        (np.zeros((1, 1), np.uint8), "1 or 3"),
        (np.zeros((1, 1, 1), np.int8), "int8"),
        (np.zeros((0, 1, 1), np.uint8), "0 x 1"),
        (np.zeros((1, 16385, 1), np.uint8), "1 x 16385"),
    ],
)
def test_what_is_no_picture(picture: np.ndarray, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        integer_rule(real_rule(), 0.02, 0).apply(picture)
