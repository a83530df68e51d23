"""Signal to quantisation noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sqnr_db(signal: NDArray[np.floating[Any]], made: NDArray[np.floating[Any]]) -> float:
    """10 log10(sum(signal^2) / sum((signal - made)^2)); infinite where nothing was lost, also of nothing."""
    exact = signal.astype(np.float64)
    signal_power, noise_power = float((exact**2).sum()), float(((exact - made) ** 2).sum())
    if noise_power == 0:
        return math.inf
    return 10 * math.log10(signal_power / noise_power) if signal_power > 0 else -math.inf
