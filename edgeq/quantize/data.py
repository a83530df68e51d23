"""Data sets by name, their split, and the preprocessing that every use of them shares. Plain numpy.

Calibration, accuracy and golden inputs all go through `preprocess`, so that the board sees what training saw.

| name | what |
|---|---|
| `digits` | scikit-learn's handwritten digits |
| `cifar10` | CIFAR-10 as class folders or a zip of them, at the path in EDGEQ_CIFAR10; `cifar10:PATH` says it here |
| `imagefolder:PATH`, or a folder or `.zip` | images in class folders (`folders.py`) |
| `FILE.npz` | arrays `images` [N, H, W, C] and `labels` [N] |
| `FILE.py:FUNCTION` | the user's function, called without arguments; it returns such images and labels |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeq.errors import BadInput, ToolMissing
from edgeq.quantize.folders import open_folder
from edgeq.quantize.images import Collection, Floats, Images, Index, Labels, Size
from edgeq.quantize.recipe import DataFacts, InputFacts
from edgeq.quantize.user_code import load_function

CIFAR10_PATH = "EDGEQ_CIFAR10"


@dataclass(frozen=True)
class Split:
    """`train` (shuffled; calibration takes its first samples) and `held_out`, which training never saw."""

    train: Images
    held_out: Images


def load_split(
    facts: DataFacts,
    *,
    folder: Path | None = None,
    train_samples: int | None = None,
    size: Size | None = None,
    names: Sequence[str] = (),
) -> Split:
    """The data set that `facts` names, split as it says, or as the data set itself does.

    Relative paths start at `folder`, or where edgeq runs. Only the first `train_samples` of the shuffled training part
    are read. `size` (height, width) is for images of several sizes. Where the data set names its classes and they are
    among `names`, a label is the place in `names`.

    Raises:
        BadInput: an unknown name, or a source that does not hold images and labels.
        ToolMissing: the data set comes with a package that is not installed.
    """
    collection, train, held_out = _parts(facts, folder or Path(), names)
    if facts.calibration is not None:
        other = open_data(facts.calibration, folder or Path())
        index = np.random.RandomState(facts.split_seed).permutation(len(other.labels))[:train_samples]
        calibration = other.read(index, size)
    else:
        calibration = collection.read(train[:train_samples], size)
    return Split(calibration, collection.read(held_out[: facts.scored_samples], size))


def open_training(
    facts: DataFacts, *, folder: Path | None = None, size: Size | None = None, names: Sequence[str] = ()
) -> Collection:
    """The whole training part of the data set that `facts` names, as `load_split` splits it; no image is read yet.

    It starts with the samples that calibration takes, unless `facts` names another data set for these.

    Raises:
        BadInput, ToolMissing: see `load_split`.
    """
    collection, train, _ = _parts(facts, folder or Path(), names)

    def read(index: Index, _: Size | None) -> Images:
        return collection.read(train[index], size)

    return Collection(collection.labels[train], read, collection.classes)


def _parts(facts: DataFacts, folder: Path, names: Sequence[str]) -> tuple[Collection, Index, Index]:
    """The data set, and the indices of its training part and of what is held out, both shuffled."""
    collection = _renumbered(open_data(facts.name, folder), names, facts.name)
    if collection.own_split is None:
        train, held_out = stratified(collection.labels, facts.held_out, facts.split_seed)
    else:
        random = np.random.RandomState(facts.split_seed)
        train, held_out = (random.permutation(part) for part in collection.own_split)
    if len(train) == 0 or len(held_out) == 0:
        raise BadInput(f"{len(collection.labels)} images are too few to hold some out", where=facts.name)
    return collection, train, held_out


def open_data(name: str, folder: Path) -> Collection:
    """A data set by its name; relative paths start at `folder`."""
    kind, colon, rest = name.partition(":")
    if name in DATA_SETS:
        return DATA_SETS[name]()
    if colon and kind in ("cifar10", "imagefolder"):
        return open_folder(folder / rest)
    file_name, colon, function = name.rpartition(":")
    if colon and file_name.endswith(".py") and function.isidentifier():
        return Collection.of(_from_function(folder / file_name, function))
    path = folder / name
    if name.endswith(".npz"):
        return Collection.of(read_npz(path))
    if path.is_dir() or name.endswith(".zip"):
        return open_folder(path)
    raise BadInput(
        f"no data set {name!r}",
        hint=f"one of {', '.join(DATA_SETS)}, imagefolder:PATH, a folder or zip of class folders, an .npz file, "
        "or file.py:function",
    )


def stratified(labels: Labels, fraction: float, seed: int) -> tuple[Index, Index]:
    """Indices (rest, held out): `fraction` of each class is held out, both parts shuffled.

    RandomState, because numpy promises its stream never changes; the newer generators may.
    """
    random = np.random.RandomState(seed)
    held_out: list[Index] = []
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
    return _checked(pixels, labels, str(path))


def _from_function(path: Path, function: str) -> Images:
    made = load_function(path, function)
    try:
        pixels, labels = map(np.asarray, made())  # type: ignore[call-overload]  # what is not a pair does not unpack
    except Exception as error:  # the user's code runs in here
        raise BadInput(
            f"{function}() did not return images and labels: {error}", where=str(path), hint="(NHWC array, integers)"
        ) from error
    return _checked(pixels, labels, f"{path}:{function}")


def _checked(pixels: np.ndarray, labels: np.ndarray, where: str) -> Images:
    if pixels.dtype.kind not in "uif" or labels.dtype.kind not in "ui":
        raise BadInput(f"images are {pixels.dtype} and labels {labels.dtype}", where=where)
    try:
        return Images(pixels.astype(np.float32), labels.astype(np.int64))
    except ValueError as error:
        raise BadInput(str(error), where=where) from error


def _renumbered(collection: Collection, names: Sequence[str], where: str) -> Collection:
    """With labels that are places in `names`, for a collection that names its classes."""
    if not collection.classes or not names:
        return collection
    strange = [name for name in collection.classes if name not in names]
    if strange:
        if len(collection.classes) == len(names):
            return collection  # the model's names may be nicer ones than the folders'
        raise BadInput(f"the class {strange[0]} is not among the model's {len(names)} labels", where=where)
    numbers = np.array([names.index(name) for name in collection.classes], np.int64)

    def read(index: Index, size: Size | None) -> Images:
        images = collection.read(index, size)
        return Images(images.pixels, numbers[images.labels])

    return replace(collection, labels=numbers[collection.labels], read=read, classes=tuple(names))


def _digits() -> Collection:
    """1,797 handwritten digits of 8x8 pixels, 0 to 16 (UCI's optdigits test set, part of scikit-learn)."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ToolMissing("the data set digits comes with scikit-learn", hint="pip install edgeq[demo]") from error
    bunch = load_digits()
    return Collection.of(Images(bunch.images.astype(np.float32)[..., None], bunch.target.astype(np.int64)))


def _cifar10() -> Collection:
    path = os.environ.get(CIFAR10_PATH)
    if not path:
        raise BadInput(
            "where CIFAR-10 lies is not known",
            where="cifar10",
            hint=f"{CIFAR10_PATH}=PATH or cifar10:PATH, of a folder or zip with train/CLASS and test/CLASS",
        )
    return open_folder(Path(path))


DATA_SETS: dict[str, Callable[[], Collection]] = {"cifar10": _cifar10, "digits": _digits}


def preprocess(pixels: Floats, facts: InputFacts) -> Floats:
    """Stored pixels [N, h, w, c] as the network's input, float32 [N, H, W, C] of `facts.shape`.

    Raises:
        BadInput: the images have another number of channels.
    """
    return facts.rule.apply(pixels)
