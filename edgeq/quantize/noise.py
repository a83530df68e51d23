"""Signal to quantisation noise, and how unequal the channels are that share a scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sqnr_db(signal: NDArray[np.floating[Any]], made: NDArray[np.floating[Any]]) -> float:
    """10 log10(sum(signal^2) / sum((signal - made)^2)); infinite where nothing was lost, also of nothing."""
    exact = signal.astype(np.float64)
    return ratio_db(float((exact**2).sum()), float(((exact - made) ** 2).sum()))


def ratio_db(signal_power: float, noise_power: float) -> float:
    """10 log10 of two powers; infinite where there is no noise."""
    if noise_power == 0:
        return math.inf
    return 10 * math.log10(signal_power / noise_power) if signal_power > 0 else -math.inf


def channels_db(signal: NDArray[np.floating[Any]], made: NDArray[np.floating[Any]], axis: int) -> list[float]:
    """The SQNR of each channel that holds anything, where one large channel hides what the others lost."""
    channels = zip(np.moveaxis(signal, axis, 0), np.moveaxis(made, axis, 0), strict=True)
    return [sqnr_db(exact, result) for exact, result in channels if exact.any()]


def channel_spread(values: NDArray[np.floating[Any]], axis: int) -> float:
    """The largest channel's magnitude over the median one's, of those channels that hold anything; at least 1.

    What shares a scale with a channel k times as large has log2(k) bits less of it.
    """
    others = tuple(at for at in range(values.ndim) if at != axis)
    magnitudes = np.abs(values).max(axis=others)
    held = magnitudes[magnitudes > 0]
    return float(held.max() / np.median(held)) if held.size else 1.0
