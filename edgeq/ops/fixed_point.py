"""gemmlowp's fixed-point functions: of SOFTMAX (numerics.md#softmax), LOGISTIC and TANH (numerics.md#logistic).

A raw int32 in Q(i) stands for raw / 2**(31 - i). Arrays hold int32 values in int64.
"""

from __future__ import annotations

import numpy as np

from edgeq.ops.numerics import Ints, rounding_divide_by_pot, saturating_rounding_doubling_high_mul

_ONE = (1 << 31) - 1  # in Q0

# exp(-2**exponent) in Q0, for exponents -2 to 4
_EXP_OF_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def exp_on_negative(raw: Ints, integer_bits: int = 5) -> Ints:
    """exp of values <= 0 in Q(integer_bits), at most 5, as Q0."""
    quarter_bit = 29 - integer_bits
    quarter = 1 << quarter_bit
    remainder_of_quarter = (raw & (quarter - 1)) - quarter
    result = _exp_between_minus_quarter_and_zero(remainder_of_quarter << integer_bits)
    powers = remainder_of_quarter - raw
    for bit, factor in enumerate(_EXP_OF_POWERS[: integer_bits + 2], start=quarter_bit):
        scaled = saturating_rounding_doubling_high_mul(result, factor)
        result = np.where(powers & (1 << bit), scaled, result)
    return np.where(raw == 0, _ONE, result)


def _exp_between_minus_quarter_and_zero(raw: Ints) -> Ints:
    """Q0 to Q0: the Taylor series around -1/8."""
    exp_of_minus_eighth, third = 1895147668, 715827883
    mul = saturating_rounding_doubling_high_mul
    x = raw + (1 << 28)
    x2 = mul(x, x)
    x3, x4 = mul(x2, x), mul(x2, x2)
    quarter_x4 = rounding_divide_by_pot(x4, 2)
    tail = rounding_divide_by_pot(mul(quarter_x4 + x3, third) + x2, 1)
    return exp_of_minus_eighth + mul(np.full_like(raw, exp_of_minus_eighth), x + tail)


def reciprocal(raw: int, integer_bits: int) -> tuple[int, int]:
    """1 / x for x > 0 in Q(integer_bits): (a Q0 value, by how many bits x exceeds one)."""
    headroom = 32 - raw.bit_length()
    shifted = ((raw << headroom) & 0xFFFFFFFF) - (1 << 31)
    return int(_one_over_one_plus(np.asarray(shifted))), integer_bits - headroom


def logistic(raw: Ints) -> Ints:
    """1 / (1 + exp(-x)) of values in Q4, as Q0."""
    positive = _one_over_one_plus(exp_on_negative(-np.abs(raw), 4))
    return np.where(raw == 0, 1 << 30, np.where(raw > 0, positive, _ONE - positive))


def tanh(raw: Ints) -> Ints:
    """tanh of values in Q4, as Q0: (1 - y) / (1 + y) with y = exp(-2 |x|)."""
    doubled = -np.abs(raw)  # the same integers, in Q5
    size = _saturated((_newton(exp_on_negative(doubled, 5)) - (1 << 29)) << 2)
    return np.where(raw == 0, 0, np.where(raw > 0, size, -size))


def _one_over_one_plus(raw: Ints) -> Ints:
    """1 / (1 + x) for x in [0, 1] in Q0."""
    return _saturated(_newton(raw) << 1)


def _newton(raw: Ints) -> Ints:
    """2 / (1 + x) for x in [0, 1] in Q0, as Q2, by three Newton steps."""
    mul = saturating_rounding_doubling_high_mul
    half_denominator = (raw + _ONE + 1) // 2
    x = 1515870810 + mul(half_denominator, -1010580540)  # 48/17 - 32/17 * d
    for _ in range(3):
        x = x + _saturated(mul(x, (1 << 29) - mul(half_denominator, x)) << 2)
    return x


def _saturated(x: Ints) -> Ints:
    return np.asarray(np.clip(x, -(1 << 31), _ONE), np.int64)
