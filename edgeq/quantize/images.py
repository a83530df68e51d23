"""Labelled images in memory, and collections of them that are read when asked for. Plain numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Index = NDArray[np.intp]
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Images:
    """Stored pixels [N, H, W, C], float32 and not yet preprocessed, and one class index each."""

    pixels: Floats
    labels: Labels

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or 0 in self.pixels.shape:
            raise ValueError(f"pixels are not NHWC: {self.pixels.shape}")
        if self.labels.shape != self.pixels.shape[:1]:
            raise ValueError(f"{len(self.pixels)} images, labels of shape {self.labels.shape}")
        if not np.isfinite(self.pixels).all():
            raise ValueError("pixels hold NaN or infinity")
        if self.labels.min() < 0:
            raise ValueError("a label is negative")

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, index: Index) -> Images:
        """The images at `index`, in that order."""
        return Images(self.pixels[index], self.labels[index])


@dataclass(frozen=True)
class Collection:
    """The classes of all images, and the images at an index once they are wanted.

    `read(index, size)` scales and crops images of several sizes to `size`; images of one size stay as they are.
    `classes` names the labels where the source does; `own_split` is (train, held out) where the source has one.
    """

    labels: Labels
    read: Callable[[Index, Size | None], Images]
    classes: tuple[str, ...] = ()
    own_split: tuple[Index, Index] | None = None

    @classmethod
    def of(cls, images: Images) -> Collection:
        """Of images that are in memory."""
        return cls(images.labels, lambda index, size: images.take(index))
