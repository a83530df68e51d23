"""Images in class folders, on disk or in a zip archive.

    CLASS/IMAGE                      split as model.toml says
    train/CLASS/IMAGE                a split of its own; what is held out is called test, val, valid or validation
    test/CLASS/IMAGE

Classes are numbered in the order of their names. Nothing is unpacked, and an archive's paths are only ever names.
"""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgeq.errors import BadInput
from edgeq.quantize.images import Collection, Images, Index, Size

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
HELD_OUT = ("test", "val", "valid", "validation")
SIDE_MOST = 16384
BYTES_MOST = 1 << 28  # of one file
_GREY_MODES = ("1", "L", "LA")

Reader = Callable[[str], bytes]


def open_folder(path: Path) -> Collection:
    """The images below a folder, or in a `.zip`, with their classes; no image is read yet.

    Raises:
        BadInput: nothing there, not an archive, or no class folders with images in them.
    """
    names, reader = _files(path)
    entries = sorted(name for name in names if _is_image(name))
    parts = [PurePosixPath(name).parts for name in entries]
    # What all of them lie under is the archive's own folder, not a class.
    while parts and len({part[0] for part in parts}) == 1 and min(map(len, parts)) > 2:
        parts = [part[1:] for part in parts]
    held_name = _held_out_name(parts)
    class_of = [part[1 if held_name else 0] for part in parts if len(part) > (2 if held_name else 1)]
    classes = tuple(sorted(set(class_of)))
    if len(class_of) != len(entries) or len(classes) < 2:
        raise BadInput(
            f"{len(entries)} images in {len(classes)} class folders",
            where=str(path),
            hint="a folder for each class with its images in it, or train/CLASS and test/CLASS",
        )
    labels = np.array([classes.index(name) for name in class_of], np.int64)
    own_split = None
    if held_name:
        held = np.array([part[0] == held_name for part in parts])
        own_split = (np.flatnonzero(~held), np.flatnonzero(held))

    def read(index: Index, size: Size | None) -> Images:
        pictures = [read_image(reader(entries[i]), f"{path}/{entries[i]}") for i in index]
        return Images(_stacked(pictures, size, str(path)), labels[index])

    return Collection(labels, read, classes, own_split)


def read_image(data: bytes, where: str) -> NDArray[np.uint8]:
    """An image file's bytes as [h, w, 1 or 3], turned as its camera was held; transparency is dropped.

    Raises:
        BadInput: no image that Pillow reads, or a side above SIDE_MOST.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as opened:
            if max(opened.size) > SIDE_MOST:
                raise BadInput(f"has {opened.width} x {opened.height} pixels; a side has at most {SIDE_MOST}")
            turned = ImageOps.exif_transpose(opened)
            pixels = np.array(turned.convert("L" if turned.mode in _GREY_MODES else "RGB"), np.uint8)
    except BadInput as error:
        raise BadInput(error.what, where=where) from error
    except Exception as error:  # every format's reader raises its own at damaged files
        raise BadInput(f"is no image that can be read ({error})", where=where) from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def scaled_and_cropped(picture: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """The largest central part of the wanted proportions, scaled to `size` with antialiasing."""
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    fitted = np.array(ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BILINEAR), np.uint8)
    return fitted[..., None] if fitted.ndim == 2 else fitted


def _stacked(pictures: list[NDArray[np.uint8]], size: Size | None, where: str) -> NDArray[np.float32]:
    if len({picture.shape[:2] for picture in pictures}) > 1:
        if size is None:
            raise BadInput("the images have several sizes", where=where, hint="scale them to one")
        pictures = [scaled_and_cropped(picture, size) for picture in pictures]
    channels = max(picture.shape[2] for picture in pictures)
    alike = [np.broadcast_to(picture, (*picture.shape[:2], channels)) for picture in pictures]
    return np.stack(alike).astype(np.float32)


def _held_out_name(parts: list[tuple[str, ...]]) -> str | None:
    """The folder of held-out images, where `train` and one such folder are all there is at the top."""
    tops = {part[0] for part in parts}
    for name in HELD_OUT:
        if tops == {"train", name}:
            return name
    return None


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _files(path: Path) -> tuple[list[str], Reader]:
    """The names of the files in a folder or an archive, and what reads one of them.

    An archive stays open as long as its reader lives: to list one of 60,000 images anew takes half a second.
    """
    if path.is_dir():

        def read_file(name: str) -> bytes:
            try:
                _check_size((path / name).stat().st_size, name)
                return (path / name).read_bytes()
            except OSError as error:
                raise BadInput(f"cannot be read ({error.strerror})", where=f"{path}/{name}") from error

        return [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()], read_file
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInput(f"is neither a folder nor a zip archive of images ({error})", where=str(path)) from error

    def read_member(name: str) -> bytes:
        _check_size(archive.getinfo(name).file_size, name)
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError) as error:
            raise BadInput(f"cannot be unpacked ({error})", where=f"{path}/{name}") from error

    return [entry.filename for entry in archive.infolist() if not entry.is_dir()], read_member


def _check_size(size: int, name: str) -> None:
    if size > BYTES_MOST:
        raise BadInput(f"has {size} bytes; an image has at most {BYTES_MOST}", where=name)
