"""The integer rules against exact rational arithmetic, and docs/numerics.md against the code that cites it."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import BadInput, Unsupported
from edgeq.ops import numerics

ROOT = Path(__file__).parents[2]
INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
MULTIPLIERS = st.integers(1 << 30, (1 << 31) - 1)
EDGES = (-(1 << 31), -(1 << 30) - 1, -(1 << 30), -1, 0, 1, (1 << 30) - 1, 1 << 30, (1 << 31) - 1)


def nearest(x: Fraction, *, ties_up: bool = False) -> int:
    """To nearest; ties away from zero, or upwards."""
    if x < 0 and not ties_up:
        return -nearest(-x)
    return math.floor(x + Fraction(1, 2))


@given(st.floats(2.0**-32, 2.0**29))
def test_a_factor_is_kept_to_31_bits(real: float) -> None:
    multiplier, shift = numerics.quantize_multiplier(real)
    assert 1 << 30 <= multiplier < 1 << 31 and -31 <= shift <= 30
    exact, kept = Fraction(real), multiplier * Fraction(2) ** (shift - 31)
    assert abs(kept - exact) <= Fraction(2) ** (shift - 32)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (1.0, (1 << 30, 1)),
        (0.5, (1 << 30, 0)),
        (0.75, (3 << 29, 0)),
        (1 - 2.0**-40, (1 << 30, 1)),  # rounds up to the next power of two
        (2.0**-33, (0, 0)),
        (0.0, (0, 0)),
    ],
)
def test_factors_by_hand(real: float, expected: tuple[int, int]) -> None:
    assert numerics.quantize_multiplier(real) == expected


@pytest.mark.parametrize("real", [math.nan, math.inf, -1.0, 2.0**30, 2.0**31])
def test_an_impossible_factor_is_refused(real: float) -> None:
    with pytest.raises(BadInput):
        numerics.quantize_multiplier(real)


@given(INT32 | st.sampled_from(EDGES), INT32 | st.sampled_from(EDGES))
def test_high_mul_is_exact(a: int, b: int) -> None:
    expected = min(nearest(Fraction(a * b, 1 << 31), ties_up=True), (1 << 31) - 1)
    assert int(numerics.saturating_rounding_doubling_high_mul(np.array(a), np.array(b))) == expected


@given(INT32 | st.sampled_from(EDGES), st.integers(0, 31))
def test_rounding_divide_is_exact(x: int, exponent: int) -> None:
    assert int(numerics.rounding_divide_by_pot(np.array(x), exponent)) == nearest(Fraction(x, 1 << exponent))


@given(INT32 | st.sampled_from(EDGES), MULTIPLIERS | st.just(0), st.integers(-31, 30))
def test_requantising_is_two_roundings(x: int, multiplier: int, shift: int) -> None:
    shifted = ((x << max(shift, 0)) + (1 << 31)) % (1 << 32) - (1 << 31)
    high = nearest(Fraction(shifted * multiplier, 1 << 31), ties_up=True)
    expected = nearest(Fraction(high, 1 << max(-shift, 0)))
    assert int(numerics.multiply_by_quantized_multiplier(np.array(x), multiplier, shift)) == expected


@given(INT32, MULTIPLIERS, st.integers(-31, 0))
def test_requantising_is_within_one_of_the_real_product(x: int, multiplier: int, shift: int) -> None:
    found = int(numerics.multiply_by_quantized_multiplier(np.array(x), multiplier, shift))
    assert abs(found - x * multiplier * Fraction(2) ** (shift - 31)) < 1


def test_requantising_takes_a_factor_for_each_channel() -> None:
    acc = np.array([[1000, -1000, 7], [1 << 31, -(1 << 31) - 1, 0]])  # the second row wraps
    multipliers, shifts = np.array([1 << 30, 1 << 30, (1 << 31) - 1]), np.array([0, -3, 1])
    found = numerics.requantise(acc, multipliers, shifts, 5, (-100, 100))
    assert found.tolist() == [[100, -58, 19], [-100, 100, 5]]
    assert found.dtype == np.int8


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "expected"),
    [
        ("NONE", 0.1, 3, (-128, 127)),
        ("RELU", 0.1, 3, (3, 127)),
        ("RELU", 0.1, -128, (-128, 127)),
        ("RELU6", 0.1, -128, (-128, -68)),
        ("RELU6", 4.0, 0, (0, 2)),  # 1.5 goes away from zero
        ("RELU6", 1e-6, 0, (0, 127)),
    ],
)
def test_the_range_of_an_activation(activation: str, scale: float, zero_point: int, expected: tuple[int, int]) -> None:
    assert numerics.activation_range(activation, scale, zero_point) == expected


def test_impossible_activations_are_refused() -> None:
    with pytest.raises(Unsupported, match="TANH"):
        numerics.activation_range("TANH", 0.1, 0)
    with pytest.raises(BadInput, match="int32"):
        numerics.activation_range("RELU6", 1e-45, 0)


@given(st.integers(1, 600), st.integers(0, 1 << 30))
def test_the_matrix_product_is_exact(inner: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-255, 256, (2, inner)), rng.integers(-127, 128, (inner, 3))
    np.testing.assert_array_equal(numerics.exact_matmul(a, b), a @ b)


def test_every_cited_rule_is_on_the_page() -> None:
    code = [*ROOT.glob("edgeq/**/*.py"), *ROOT.glob("firmware/**/*.[chS]")]
    cited = {a for path in code for a in re.findall(r"numerics\.md#([a-z0-9-]+)", path.read_text(encoding="utf-8"))}
    page = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
    anchors = re.findall(r'<a id="([a-z0-9-]+)"></a>', page)
    assert cited and cited <= set(anchors) and len(anchors) == len(set(anchors))


def test_every_function_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
    python = set(re.findall(r"`numerics\.(\w+)`", page))
    assert python and all(callable(getattr(numerics, name)) for name in python)
    kernels = "".join(p.read_text(encoding="utf-8") for p in ROOT.glob("firmware/components/eq_kernels/*.[ch]"))
    c = set(re.findall(r"`(eq_\w+)`", page)) - {"eq_numerics"}
    assert c and not {name for name in c if f"{name}(" not in kernels}
    files = re.findall(r"`((?:ops|plan|convert)/[\w/]+\.py)`", page)
    assert files and all((ROOT / "edgeq" / name).exists() for name in files)
