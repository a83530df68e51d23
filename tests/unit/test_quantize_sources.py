"""Where images come from: class folders, archives, the user's function, named sets; and what is warned about."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq.errors import BadInput
from edgeq.quantize.data import CIFAR10_PATH, load_split
from edgeq.quantize.data_checks import data_warnings
from edgeq.quantize.recipe import DataFacts, InputFacts


def _png(value: int, size: tuple[int, int] = (4, 3), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value, 0, 255 - value)).save(buffer, "png")
    return buffer.getvalue()


def _files(split: bool) -> dict[str, bytes]:
    tops = ("train/", "test/") if split else ("",)
    return {
        f"{top}{name}/{i}.png": _png(10 * label + i)
        for top in tops
        for label, name in enumerate(("bird", "cat", "dog"))
        for i in range(5)
    }


def _write(path: Path, files: dict[str, bytes]) -> str:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    return str(path)


@pytest.mark.parametrize("source", ["set", "set.zip"])
@pytest.mark.parametrize("prefix", ["", "imagefolder:"])
def test_class_folders_are_split_as_the_recipe_says(tmp_path: Path, source: str, prefix: str) -> None:
    name = prefix + _write(tmp_path / source, _files(split=False))
    split = load_split(DataFacts(name=name, held_out=0.4))
    assert (len(split.train), len(split.held_out)) == (9, 6)
    for part in (split.train, split.held_out):
        assert part.pixels.shape[1:] == (3, 4, 3)
        assert (part.pixels[:, 0, 0, 0] // 10 == part.labels).all()
        assert (part.pixels[:, 0, 0, 2] == 255 - part.pixels[:, 0, 0, 0]).all()


@pytest.mark.parametrize("source", ["set", "set.zip"])
def test_a_split_of_its_own_is_kept_and_only_what_is_wanted_is_read(tmp_path: Path, source: str) -> None:
    files = _files(split=True)
    files = {f"whole/{name}": data for name, data in files.items()}  # an archive's own folder is no class
    files |= {"whole/README.md": b"no image", "__MACOSX/x.png": b"no image either", "whole/.hidden/x.png": b""}
    split = load_split(DataFacts(name=_write(tmp_path / source, files), scored_samples=4), train_samples=7)
    assert (len(split.train), len(split.held_out)) == (7, 4)
    assert len(set(split.train.labels.tolist())) > 1  # shuffled


def test_labels_follow_the_models_names(tmp_path: Path) -> None:
    facts = DataFacts(name=_write(tmp_path / "set", _files(split=True)))
    images = load_split(facts, names=("dog", "cow", "cat", "bird")).train
    assert images.labels.tolist() == [[3, 2, 0][int(value) // 10] for value in images.pixels[:, 0, 0, 0]]
    nicer = load_split(facts, names=("Vogel", "Katze", "Hund")).train
    assert nicer.labels.tolist() == [int(value) // 10 for value in nicer.pixels[:, 0, 0, 0]]
    with pytest.raises(BadInput, match="class bird is not among the model's 2"):
        load_split(facts, names=("cat", "dog"))


def test_images_of_several_sizes_are_scaled_and_cropped(tmp_path: Path) -> None:
    files = {f"{name}/{i}.png": _png(i, (6 + i, 5)) for name in "ab" for i in range(3)}
    files["a/grey.png"] = _png(7, mode="L")
    facts = DataFacts(name=_write(tmp_path / "set", files), held_out=0.5)
    assert load_split(facts, size=(2, 3)).train.pixels.shape[1:] == (2, 3, 3)
    with pytest.raises(BadInput, match="several sizes"):
        load_split(facts)


def test_cifar10_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path / "set.zip", _files(split=True))
    monkeypatch.setenv(CIFAR10_PATH, path)
    assert len(load_split(DataFacts(name="cifar10")).train) == 15
    monkeypatch.delenv(CIFAR10_PATH)
    assert len(load_split(DataFacts(name=f"cifar10:{path}")).train) == 15
    with pytest.raises(BadInput, match="not known"):
        load_split(DataFacts(name="cifar10"))


def test_a_function_of_the_users_and_another_set_to_calibrate(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "def images(): return np.full((8, 2, 2, 1), 3), np.arange(8) % 2\n"
        "def other(): return np.full((6, 2, 2, 1), 5), np.zeros(6, int)\n"
        "def wrong(): return 5\n"
        "def raises(): raise OSError('no camera')\n"
    )
    facts = DataFacts(name="mine.py:images", calibration="mine.py:other", held_out=0.5)
    split = load_split(facts, folder=tmp_path, train_samples=4)
    assert (len(split.train), split.train.pixels.max(), len(split.held_out), split.held_out.pixels.max()) == (
        4,
        5,
        4,
        3,
    )
    for name, complaint in (("wrong", "did not return"), ("raises", "no camera"), ("absent", "no function absent")):
        with pytest.raises(BadInput, match=complaint):
            load_split(DataFacts(name=f"mine.py:{name}"), folder=tmp_path)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "0 images in 0 class folders"),
        ({"a/1.png": _png(1)}, "1 images in 1 class folders"),
        ({"1.png": _png(1), "a/1.png": _png(1), "b/1.png": _png(1)}, "class folders"),
        ({f"{c}/{i}.png": b"\x89PNG\r\n\x1a\ngarbage" for c in "ab" for i in range(4)}, "no image that can be read"),
    ],
)
@pytest.mark.parametrize("source", ["set", "set.zip"])
def test_what_is_no_data_set_is_refused(tmp_path: Path, source: str, files: dict[str, bytes], complaint: str) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(BadInput, match=complaint) as caught:
        load_split(DataFacts(name=_write(tmp_path / source, files)))
    assert str(tmp_path) in caught.value.where


@pytest.mark.parametrize("damage", [b"", b"PK\x05\x06", b"PK\x03\x04" + b"\xff" * 80])
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "set.zip").write_bytes(damage)
    with pytest.raises(BadInput, match="neither a folder nor a zip"):
        load_split(DataFacts(name=str(tmp_path / "set.zip")))


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    path = Path(_write(tmp_path / "set.zip", _files(split=False)))
    data = bytearray(path.read_bytes())
    data[50:60] = bytes(10)  # inside the first image
    path.write_bytes(data)
    with pytest.raises(BadInput, match="cannot be unpacked"):
        load_split(DataFacts(name=str(path)))


FACTS = InputFacts(shape=(1, 2, 2, 1), scale=1 / 255, mean=(0.5,), std=(0.5,))


@pytest.mark.parametrize(
    ("stored", "facts", "wanted"),
    [
        (np.random.RandomState(0).uniform(0, 255, (40, 2, 2, 1)), FACTS, []),
        (np.random.RandomState(0).uniform(0, 255, (31, 2, 2, 1)), FACTS, ["31 calibration samples are few"]),
        (np.full((40, 2, 2, 1), 128), FACTS, ["is the constant 0.00392"]),
        (np.tile(np.arange(4).reshape(1, 2, 2, 1), (40, 1, 1, 1)), FACTS, ["the same image"]),
        (np.random.RandomState(0).uniform(0, 1, (40, 2, 2, 1)), FACTS, ["images in 0..1 where 0..255 is expected"]),
        (np.random.RandomState(0).uniform(0, 300, (40, 2, 2, 1)), FACTS, ["stored pixels reach"]),
        (
            np.random.RandomState(0).uniform(0, 255, (40, 2, 2, 1)),
            InputFacts(shape=(1, 2, 2, 1)),
            ["0..255 where 0..1 was trained"],
        ),
    ],
)
def test_suspicious_data_is_warned_about(stored: np.ndarray, facts: InputFacts, wanted: list[str]) -> None:
    stored = stored.astype(np.float32)
    found = data_warnings(stored, facts.rule.apply(stored), facts)
    assert len(found) == len(wanted)
    assert all(part in sentence for part, sentence in zip(wanted, found, strict=True))
