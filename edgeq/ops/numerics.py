"""The integer rules of TFLite, one function per rule; `docs/numerics.md` states each.

All functions work on numpy arrays of any shape and hold int32 values in int64 arrays, wrapped where C would wrap.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, Unsupported

Ints = NDArray[np.int64]
INT8_MIN, INT8_MAX = -128, 127


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A real factor as (multiplier, shift): real = multiplier * 2**(shift - 31), multiplier in [2**30, 2**31).

    TFLite's QuantizeMultiplier (numerics.md#quantized-multiplier).
    """
    if not math.isfinite(real) or real < 0:
        raise BadInput(f"a requantisation factor must be finite and not negative, not {real}")
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    fixed = math.floor(fraction * (1 << 31) + 0.5)  # round half away from zero; the value is positive
    if fixed == 1 << 31:
        fixed //= 2
        shift += 1
    if shift < -31:  # every bit would be shifted out
        return 0, 0
    if shift > 30:
        raise BadInput(f"a requantisation factor of {real} is too large")
    return fixed, shift


def wrap_int32(x: NDArray[Any]) -> Ints:
    """Values modulo 2**32 as signed 32-bit integers."""
    return np.asarray(x, np.int64).astype(np.int32).astype(np.int64)


def saturating_rounding_doubling_high_mul(a: NDArray[Any], b: NDArray[Any] | int) -> Ints:
    """(a * b * 2) >> 32 with rounding; the one overflow saturates (numerics.md#high-mul)."""
    # TFLite adds 2**30, or 1 - 2**30 to what is negative, and divides towards zero: both are this, rounded down.
    high = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    high += 1 << 30
    high >>= 31
    return np.minimum(high, (1 << 31) - 1)


def rounding_divide_by_pot(x: NDArray[Any], exponent: NDArray[Any] | int) -> Ints:
    """x / 2**exponent, rounded to nearest, ties away from zero (numerics.md#rounding-divide)."""
    x = np.asarray(x, np.int64)
    exponent = np.asarray(exponent, np.int64)
    half = (np.int64(1) << exponent) >> 1
    tie = (x < 0) & (exponent > 0)  # below zero, half is rounded down
    return np.asarray((x + half - tie) >> exponent, np.int64)


def multiply_by_quantized_multiplier(
    x: NDArray[Any], multiplier: NDArray[Any] | int, shift: NDArray[Any] | int
) -> Ints:
    """x * multiplier * 2**(shift - 31) with double rounding (numerics.md#quantized-multiplier)."""
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = wrap_int32(np.asarray(x, np.int64) << left)
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(shifted, multiplier), right)


def to_int8(x: NDArray[Any], low: int = INT8_MIN, high: int = INT8_MAX) -> NDArray[np.int8]:
    """Clamped to [low, high], as int8."""
    return np.asarray(np.clip(x, low, high).astype(np.int8))


def requantise(
    acc: NDArray[Any],
    multiplier: NDArray[Any] | int,
    shift: NDArray[Any] | int,
    zero_point: int,
    clamp: tuple[int, int] = (INT8_MIN, INT8_MAX),
) -> NDArray[np.int8]:
    """Accumulators as an int8 output: wrapped to int32, rescaled, shifted, clamped (numerics.md#output)."""
    scaled = multiply_by_quantized_multiplier(wrap_int32(acc), multiplier, shift)
    return to_int8(wrap_int32(scaled + zero_point), *clamp)


def activation_range(activation: str, scale: float, zero_point: int) -> tuple[int, int]:
    """The int8 range of a fused activation (numerics.md#activation-range)."""
    if activation == "NONE":
        return INT8_MIN, INT8_MAX

    def quantised(real: float) -> int:
        # TFLite divides in float32, rounds half away from zero and refuses what leaves int32.
        with np.errstate(over="ignore"):
            ratio = float(np.float32(real) / np.float32(scale))
        if ratio >= 1 << 31:
            raise BadInput(f"the fused activation {activation} at the scale {scale:g} leaves int32")
        return zero_point + math.floor(ratio + 0.5)

    if activation == "RELU":
        return max(INT8_MIN, quantised(0.0)), INT8_MAX
    if activation == "RELU6":
        return max(INT8_MIN, quantised(0.0)), min(INT8_MAX, quantised(6.0))
    raise Unsupported(f"the fused activation {activation} is not supported")


def exact_matmul(a: NDArray[Any], b: NDArray[Any]) -> Ints:
    """a @ b of integers, exact. In `a` they are within 255: int8 less a zero point.

    Floats multiply matrices many times faster than integers. float32 is exact while no sum can leave 2**24, float64 up
    to 2**53, which is every size that fits a board.
    """
    most = 255 * a.shape[-1] * int(np.abs(b.astype(np.int64)).max(initial=0))
    kind = np.float32 if most <= 1 << 24 else np.float64
    return np.asarray(a.astype(kind, copy=False) @ b.astype(kind), np.int64)
