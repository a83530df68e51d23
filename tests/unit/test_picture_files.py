"""Image files and labelled sets as the pixels a camera would give, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq.errors import BadInput
from edgeq.pipeline.picture_files import open_set, read_picture

RNG = np.random.default_rng(1)
COLOUR = RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (4, 2), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm"])
def test_colour(tmp_path: Path, suffix: str) -> None:
    assert (read_picture(saved(tmp_path / f"it.{suffix}", Image.fromarray(COLOUR))) == COLOUR).all()


def test_grey_has_one_channel(tmp_path: Path) -> None:
    assert read_picture(saved(tmp_path / "it.png", Image.fromarray(GREY))).tolist() == GREY[..., None].tolist()
    black_and_white = Image.fromarray(GREY > 127)
    assert read_picture(saved(tmp_path / "bw.png", black_and_white)).tolist() == (
        np.where(GREY > 127, 255, 0)[..., None].tolist()
    )


def test_transparency_is_dropped_and_palettes_are_looked_up(tmp_path: Path) -> None:
    alpha = np.dstack([COLOUR, RNG.integers(0, 256, COLOUR.shape[:2], dtype=np.uint8)])
    assert (read_picture(saved(tmp_path / "it.png", Image.fromarray(alpha))) == COLOUR).all()
    few = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    palette = Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE)
    assert (read_picture(saved(tmp_path / "it.gif", palette)) == few).all()


def test_a_camera_held_sideways(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees, clockwise
    path = saved(tmp_path / "it.png", Image.fromarray(COLOUR), exif=exif)
    assert (read_picture(path) == np.rot90(COLOUR, -1)).all()


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"P6 99999999 99999999 255\n"])
def test_what_is_no_image(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "it.png").write_bytes(data)
    with pytest.raises(BadInput) as caught:
        read_picture(tmp_path / "it.png")
    assert caught.value.where == str(tmp_path / "it.png")


def test_damaged_images_are_read_or_refused(tmp_path: Path) -> None:
    """Whatever a reader does with changed bytes, it ends in pixels or in BadInput."""
    refused = 0
    for suffix in ("png", "gif", "jpg", "tif", "bmp", "webp"):
        whole = saved(tmp_path / f"it.{suffix}", Image.fromarray(COLOUR)).read_bytes()
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(3):
                data[int(RNG.integers(len(data)))] = int(RNG.integers(256))
            (tmp_path / "damaged").write_bytes(data[: int(RNG.integers(1, len(data) + 1))])
            try:
                assert read_picture(tmp_path / "damaged").ndim == 3
            except BadInput:
                refused += 1
    assert refused > 100


def test_a_side_too_long(tmp_path: Path) -> None:
    path = saved(tmp_path / "it.png", Image.new("L", (16385, 1)))
    with pytest.raises(BadInput, match="at most 16384"):
        read_picture(path)


def folder(path: Path, **classes: int) -> Path:
    """Class folders with so many pictures; each picture's pixels are its number in all."""
    number = 0
    for name, count in classes.items():
        (path / name).mkdir(parents=True)
        for index in range(count):
            saved(path / name / f"{index}.png", Image.new("L", (2, 1), number))
            number += 1
    return path


def test_folders_named_as_the_labels(tmp_path: Path) -> None:
    path = folder(tmp_path / "set", dog=2, cat=1)
    (path / "dog" / "notes.txt").write_text("no image")
    (path / ".hidden").mkdir()
    found = open_set(str(path), ("cat", "bird", "dog"), 3, 255.0)
    assert found.labels.tolist() == [0, 2, 2]
    assert [found.read(i).ravel().tolist() for i in range(3)] == [[2, 2], [0, 0], [1, 1]]


def test_folders_in_the_classes_order(tmp_path: Path) -> None:
    path = folder(tmp_path / "set", b=1, a=2)
    assert open_set(str(path), (), 2, 255.0).labels.tolist() == [0, 0, 1]
    with pytest.raises(BadInput, match="2 folders for 3 classes"):
        open_set(str(path), (), 3, 255.0)
    with pytest.raises(BadInput, match="the folder a is none of the model's labels"):
        open_set(str(path), ("b", "c", "d"), 3, 255.0)


def test_a_file_of_arrays(tmp_path: Path) -> None:
    images = np.arange(17, dtype=np.float32).repeat(2).reshape(17, 1, 2, 1)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(17) % 3)
    found = open_set(str(tmp_path / "set.npz"), (), 3, 16.0)
    assert found.labels.tolist() == [i % 3 for i in range(17)]
    assert [found.read(i)[0, 0, 0] for i in (0, 8, 16)] == [0, 128, 255]
    with pytest.raises(BadInput, match="white = 8"):
        open_set(str(tmp_path / "set.npz"), (), 3, 8.0)
    with pytest.raises(BadInput, match="has class 2, the model knows 2 classes"):
        open_set(str(tmp_path / "set.npz"), (), 2, 16.0)


def test_the_digits_are_the_held_out_ones() -> None:
    pytest.importorskip("sklearn")
    found = open_set("digits", (), 10, 16.0)
    assert len(found.labels) == 359
    assert found.read(0).shape == (8, 8, 1)
    assert max(int(found.read(i).max()) for i in range(20)) == 255


@pytest.mark.parametrize("data", ["numbers", "absent.npz", "."])
def test_what_is_no_set(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput):
        open_set(data, (), 2, 255.0)
