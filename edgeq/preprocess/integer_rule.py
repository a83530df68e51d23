"""Preprocessing in integers: the same bytes in numpy, in C on the host and on the chip (docs/preprocessing.md).

All sums are exact; the only roundings are of a resize weight to WEIGHT_BITS, and the last shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, Unsupported
from edgeq.preprocess.float_rule import FloatRule, Method
from edgeq.preprocess.pixels import LUMA, SIDE_MOST

WEIGHT_BITS = 12  # of a resize weight: a pixel times two of them just fits 32 bits
MULTIPLIER_BITS = 22  # behind the point
SHIFT = 2 * WEIGHT_BITS + MULTIPLIER_BITS
MULTIPLIER_MOST = 16 << MULTIPLIER_BITS  # a step of one pixel value is at most 16 steps of int8
OFFSET_MOST = 1 << 61


@dataclass(frozen=True)
class IntegerRule:
    """int8 = clamp((resized * multiplier[c] + offset[c]) >> SHIFT), resized having 2 * WEIGHT_BITS fractional bits.

    `white` is for who reads a data set: the stored value that is pixel 255. The rule itself takes pixels.
    """

    height: int
    width: int
    channels: int
    method: Method
    multipliers: tuple[int, ...]
    offsets: tuple[int, ...]
    white: float = 255.0

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise Unsupported(f"pictures become 1 or 3 channels, not {self.channels}")
        if not (1 <= self.height <= SIDE_MOST and 1 <= self.width <= SIDE_MOST):
            raise Unsupported(f"an input of {self.height} x {self.width}; a side has 1 to {SIDE_MOST} pixels")
        if len(self.multipliers) != self.channels or len(self.offsets) != self.channels:
            raise ValueError("a multiplier and an offset a channel")
        if max(map(abs, self.multipliers)) > MULTIPLIER_MOST or max(map(abs, self.offsets)) > OFFSET_MOST:
            raise Unsupported(
                "one pixel value is more than 16 steps of the int8 input, or the mean lies far off",
                hint="check scale, mean and std in model.toml's [input]",
            )
        if not (math.isfinite(self.white) and self.white > 0):
            raise ValueError("white is above 0")

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
        """A picture [h, w, 1 or 3] as the network's input [height, width, channels].

        Raises:
            BadInput: another number of channels, or an empty or too large picture.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
            raise BadInput(f"a picture is uint8 [h, w, 1 or 3], this is {pixels.dtype} {list(pixels.shape)}")
        if not all(1 <= side <= SIDE_MOST for side in pixels.shape[:2]):
            raise BadInput(f"the picture is {pixels.shape[0]} x {pixels.shape[1]}; a side has 1 to {SIDE_MOST} pixels")
        resized = self._resize(pixels)
        if resized.shape[2] == 3 and self.channels == 1:
            resized = (resized @ np.array(LUMA, np.int64) >> 8)[..., None]
        steps = resized * np.array(self.multipliers, np.int64) + np.array(self.offsets, np.int64) >> SHIFT
        return np.asarray(steps.clip(-128, 127), np.int8)

    def _resize(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """[height, width, c] with 2 * WEIGHT_BITS fractional bits."""
        top, bottom, down = _positions(pixels.shape[0], self.height, self.method)
        left, right, across = _positions(pixels.shape[1], self.width, self.method)
        one, wide = 1 << WEIGHT_BITS, pixels.astype(np.int64)
        across = across[:, None]
        rows = wide[:, left] * (one - across) + wide[:, right] * across
        down = down[:, None, None]
        return np.asarray(rows[top] * (one - down) + rows[bottom] * down, np.int64)


def _positions(
    size: int, wanted: int, method: Method
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Each target's two source indices, and the second one's weight; pixel centres lie at half integers."""
    centre = (2 * np.arange(wanted, dtype=np.int64) + 1) * size  # in units of 1 / (2 * wanted) source pixels
    if method == "nearest":
        index = centre // (2 * wanted)
        return index, index, np.zeros_like(index)
    from_first = (centre - wanted).clip(0, 2 * wanted * (size - 1))
    below, part = from_first // (2 * wanted), from_first % (2 * wanted)
    weight = ((part << WEIGHT_BITS) + wanted) // (2 * wanted)
    return below, np.minimum(below + 1, size - 1), weight


def integer_rule(rule: FloatRule, input_scale: float, zero_point: int) -> IntegerRule:
    """The integers of `rule` for an int8 input with this scale and zero point; exact fractions, rounded once.

    Raises:
        Unsupported: channels or numbers that the integers have no room for.
    """
    if not (math.isfinite(input_scale) and input_scale > 0):
        raise ValueError(f"an input scale of {input_scale}")
    to_stored = Fraction(rule.white) / 255
    multipliers, offsets = [], []
    for mean, std in zip(rule.mean, rule.std, strict=True):
        step = Fraction(std) * Fraction(input_scale)
        multipliers.append(round(Fraction(rule.scale) * to_stored / step * 2**MULTIPLIER_BITS))
        offsets.append(round((zero_point - Fraction(mean) / step + Fraction(1, 2)) * 2**SHIFT))
    return IntegerRule(
        rule.height, rule.width, rule.channels, rule.method, tuple(multipliers), tuple(offsets), rule.white
    )
