"""Preprocessing in real numbers, as training did it. Calibration and the float network's score go through it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput
from edgeq.preprocess.pixels import LUMA

Method = Literal["nearest", "bilinear"]


@dataclass(frozen=True)
class FloatRule:
    """Resize to `height` x `width`, then (stored * scale - mean) / std per channel. `white` is stored for 255."""

    height: int
    width: int
    channels: int
    method: Method
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: float = 255.0

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.channels) < 1:
            raise ValueError("an empty input")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} stds for {self.channels} channels")
        if not all(math.isfinite(v) for v in (self.scale, self.white, *self.mean, *self.std)):
            raise ValueError("a number is not finite")
        if min(self.white, *self.std) <= 0:
            raise ValueError("white and std are above 0")

    def apply(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Stored pixels [N, h, w, c] as the network's input, float32 [N, height, width, channels].

        Raises:
            BadInput: the images have another number of channels.
        """
        rows = _resize_matrix(stored.shape[1], self.height, self.method)
        columns = _resize_matrix(stored.shape[2], self.width, self.method)
        resized = np.einsum("Hh,nhwc,Ww->nHWc", rows, stored.astype(np.float64), columns, optimize=True)
        if resized.shape[3] == 3 and self.channels == 1:
            resized = (resized @ np.array(LUMA, np.float64) / 256)[..., None]
        if resized.shape[3] not in (1, self.channels):
            raise BadInput(f"the images have {resized.shape[3]} channels, the network takes {self.channels}")
        resized = np.broadcast_to(resized, (*resized.shape[:3], self.channels))
        real = (resized * self.scale - np.array(self.mean)) / np.array(self.std)
        return np.ascontiguousarray(real, dtype=np.float32)


def _resize_matrix(size: int, wanted: int, method: Method) -> NDArray[np.float64]:
    """[wanted, size]: a row weighs the source pixels of one target pixel; centres lie at half integers."""
    centre = (np.arange(wanted) + 0.5) * size / wanted - 0.5
    unit = np.eye(size, dtype=np.float64)
    if method == "nearest":
        below = above = np.floor(centre + 0.5).astype(np.intp)
    else:
        centre = centre.clip(0, size - 1)
        below = np.floor(centre).astype(np.intp)
        above = np.minimum(below + 1, size - 1)
    part = (centre - below)[:, None]
    matrix: NDArray[np.float64] = unit[below] * (1 - part) + unit[above] * part
    return matrix
