"""Labelled images, their split, and the preprocessing that every use of them shares. Plain numpy.

Calibration, accuracy and golden inputs all go through `preprocess`, so that the board sees what training saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, ToolMissing
from edgeq.quantize.recipe import DataFacts, InputFacts

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


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

    def take(self, index: NDArray[np.intp]) -> Images:
        """The images at `index`, in that order."""
        return Images(self.pixels[index], self.labels[index])


@dataclass(frozen=True)
class Split:
    """`train` (shuffled; calibration takes its first samples) and `held_out`, which training never saw."""

    train: Images
    held_out: Images


def load_split(facts: DataFacts) -> Split:
    """The data set that `facts` names (`digits`, or the path of an `.npz`), split as it says.

    Raises:
        BadInput: an unknown name, or a file that does not hold NHWC images and labels.
        ToolMissing: the data set comes with a package that is not installed.
    """
    if facts.name in DATA_SETS:
        images = DATA_SETS[facts.name]()
    elif facts.name.endswith(".npz"):
        images = read_npz(Path(facts.name))
    else:
        raise BadInput(
            f"no data set {facts.name!r}", hint=f"one of {', '.join(DATA_SETS)}, or the path of an .npz file"
        )
    train, held_out = stratified(images.labels, facts.held_out, facts.split_seed)
    if len(train) == 0 or len(held_out) == 0:
        raise BadInput(f"{len(images)} images are too few to hold some out", where=facts.name)
    return Split(images.take(train), images.take(held_out))


def stratified(labels: Labels, fraction: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices (rest, held out): `fraction` of each class is held out, both parts shuffled.

    RandomState, because numpy promises its stream never changes; the newer generators may.
    """
    random = np.random.RandomState(seed)
    held_out: list[NDArray[np.intp]] = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held_out.append(members[: round(len(members) * fraction)])
    held = random.permutation(np.concatenate(held_out))
    rest = random.permutation(np.setdiff1d(np.arange(len(labels)), held))
    return rest, held


def read_npz(path: Path) -> Images:
    """Images from an `.npz` with `images` [N, H, W, C] and integer `labels` [N]."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            pixels, labels = arrays["images"], arrays["labels"]
    except Exception as error:  # zip, zlib, header and array readers each raise their own
        raise BadInput(
            f"cannot read images and labels ({error})",
            where=str(path),
            hint="numpy.savez(path, images=NHWC, labels=integers)",
        ) from error
    if pixels.dtype.kind not in "uif" or labels.dtype.kind not in "ui":
        raise BadInput(f"images are {pixels.dtype} and labels {labels.dtype}", where=str(path))
    try:
        return Images(pixels.astype(np.float32), labels.astype(np.int64))
    except ValueError as error:
        raise BadInput(str(error), where=str(path)) from error


def _digits() -> Images:
    """1,797 handwritten digits of 8x8 pixels, 0 to 16 (UCI's optdigits test set, part of scikit-learn)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ToolMissing("the data set digits comes with scikit-learn", hint="pip install edgeq[demo]") from error
    bunch = load_digits()
    return Images(bunch.images.astype(np.float32)[..., None], bunch.target.astype(np.int64))


DATA_SETS = {"digits": _digits}


def preprocess(pixels: Floats, facts: InputFacts) -> Floats:
    """Stored pixels [N, h, w, c] as the network's input, float32 [N, H, W, C] of `facts.shape`.

    Raises:
        BadInput: the images have another number of channels.
    """
    return facts.rule.apply(pixels)
