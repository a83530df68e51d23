"""Pictures and labelled sets of them, from files, as the bytes that a camera would give."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgeq.errors import BadInput
from edgeq.pipeline.run_folder import read_file
from edgeq.preprocess import SIDE_MOST, to_pixels
from edgeq.quantize.data import DATA_SETS, load_split, read_npz
from edgeq.quantize.images import Images
from edgeq.quantize.recipe import DataFacts

Picture = NDArray[np.uint8]  # [h, w, 1 or 3]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_GREY_MODES = ("1", "L", "LA")


@dataclass(frozen=True)
class PictureSet:
    """Labelled pictures, read one at a time: `read(i)` is picture i, `labels[i]` its class."""

    name: str
    labels: NDArray[np.int64]
    read: Callable[[int], Picture]


def read_picture(path: Path) -> Picture:
    """An image file as pixels [h, w, 1 or 3], turned as its camera was held. Transparency is dropped.

    Raises:
        BadInput: no file, none that Pillow reads, or one with a side above 16384.
    """
    data = read_file(path)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as opened:
            if max(opened.size) > SIDE_MOST:
                raise BadInput(f"has {opened.width} x {opened.height} pixels; a side has at most {SIDE_MOST}")
            turned = ImageOps.exif_transpose(opened)
            image = turned.convert("L" if turned.mode in _GREY_MODES else "RGB")
            pixels = np.array(image, np.uint8)
    except BadInput as e:
        raise BadInput(e.what, where=str(path)) from e
    except Exception as e:  # every format's reader raises its own at damaged files
        hint = f"an image: {', '.join(s[1:] for s in SUFFIXES)}"
        raise BadInput(f"is no image that can be read ({e})", where=str(path), hint=hint) from e
    return pixels[..., None] if pixels.ndim == 2 else pixels


def open_set(data: str, names: Sequence[str], classes: int, white: float) -> PictureSet:
    """The held-out part of a known data set, all of an `.npz`, or a folder with a folder of images for each class.

    `names` are the model's labels, `white` the stored value that becomes pixel 255.

    Raises:
        BadInput: none of these, values that are no pixels, or classes that are not the model's.
        ToolMissing: the data set comes with a package that is not installed.
    """
    path = Path(data)
    if data in DATA_SETS:
        found = _stored(f"{data}, held out", load_split(DataFacts(name=data)).held_out, white)
    elif path.is_dir():
        found = _folder(path, names, classes)
    elif path.suffix == ".npz":
        found = _stored(data, read_npz(path), white)
    else:
        raise BadInput(
            "is no data set",
            where=data,
            hint=f"one of {', '.join(DATA_SETS)}, an .npz with images and labels, or a folder of class folders",
        )
    worst = int(found.labels.max())
    if worst >= classes:
        raise BadInput(f"has class {worst}, the model knows {classes} classes", where=data)
    return found


def _stored(name: str, images: Images, white: float) -> PictureSet:
    try:
        pixels = to_pixels(images.pixels, white)
    except BadInput as e:
        raise BadInput(e.what, where=name, hint="the values must be stored as those of the training were") from e
    return PictureSet(name, images.labels, lambda index: np.asarray(pixels[index]))


def _folder(path: Path, names: Sequence[str], classes: int) -> PictureSet:
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    indices = _classes(path, [folder.name for folder in folders], names, classes)
    files: list[Path] = []
    labels: list[int] = []
    for index, folder in zip(indices, folders, strict=True):
        inside = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
        files += inside
        labels += [index] * len(inside)
    if not files:
        hint = "a folder for each class, with images in it"
        raise BadInput("has no images in folders of classes", where=str(path), hint=hint)
    return PictureSet(str(path), np.array(labels, np.int64), lambda index: read_picture(files[index]))


def _classes(path: Path, found: list[str], names: Sequence[str], classes: int) -> list[int]:
    """The class of each folder: by the model's labels, else the folders' order where there is one for each class."""
    if all(name in names for name in found):
        return [names.index(name) for name in found]
    if len(found) == classes:
        return list(range(classes))
    strange = next(name for name in found if name not in names)
    raise BadInput(
        f"the folder {strange} is none of the model's labels, and there are {len(found)} folders for {classes} classes",
        where=str(path),
        hint="name the folders as the labels, or have one for each class in their order",
    )
