"""Images, their split and their preprocessing; and what is said where torch or scikit-learn is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgeq.errors import BadInput, ToolMissing
from edgeq.quantize.data import load_split, preprocess, read_npz, stratified
from edgeq.quantize.images import Images
from edgeq.quantize.recipe import DataFacts, InputFacts


def test_bilinear_places_pixel_centres_at_half_integers() -> None:
    # Doubling 0, 4: centres of the four targets lie at -0.25, 0.25, 0.75, 1.25 of the source.
    row = np.array([0.0, 4.0], np.float32).reshape(1, 1, 2, 1)
    out = preprocess(row, InputFacts(shape=(1, 1, 4, 1)))
    assert out.dtype == np.float32
    assert out.ravel().tolist() == [0, 1, 3, 4]


def test_nearest_repeats_and_skips_pixels() -> None:
    row = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
    wider = preprocess(row, InputFacts(shape=(1, 1, 6, 1), resize="nearest"))
    assert wider.ravel().tolist() == [0, 0, 1, 1, 2, 2]
    narrower = preprocess(np.repeat(row, 2, axis=2), InputFacts(shape=(1, 1, 3, 1), resize="nearest"))
    assert narrower.ravel().tolist() == [0, 1, 2]


def test_rows_and_columns_are_not_mixed_up() -> None:
    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    assert (preprocess(image, InputFacts(shape=(1, 2, 3, 1))) == image).all()
    tall = preprocess(image, InputFacts(shape=(1, 4, 3, 1), resize="nearest"))
    assert (tall == np.repeat(image, 2, axis=1)).all()


def test_scale_mean_and_std_are_per_channel_and_grey_is_repeated() -> None:
    facts = InputFacts(shape=(1, 1, 1, 3), scale=0.5, mean=(0.0, 1.0, 2.0), std=(1.0, 2.0, 4.0))
    grey = preprocess(np.full((2, 1, 1, 1), 8, np.float32), facts)
    assert grey.shape == (2, 1, 1, 3)
    assert grey[1].ravel().tolist() == [4.0, 1.5, 0.5]


def test_a_wrong_number_of_channels_is_refused() -> None:
    with pytest.raises(BadInput, match="2 channels, the network takes 3"):
        preprocess(np.zeros((1, 4, 4, 2), np.float32), InputFacts(shape=(1, 4, 4, 3)))


def test_the_split_is_stratified_complete_and_repeatable() -> None:
    labels = np.repeat(np.arange(4), [10, 20, 30, 40])
    rest, held = stratified(labels, 0.2, seed=3)
    assert sorted([*rest, *held]) == list(range(100))
    assert np.bincount(labels[held]).tolist() == [2, 4, 6, 8]
    again = stratified(labels, 0.2, seed=3)
    assert (again[0] == rest).all() and (again[1] == held).all()
    assert not np.array_equal(stratified(labels, 0.2, seed=4)[1], held)


def test_digits_splits_as_the_model_card_says() -> None:
    split = load_split(DataFacts(name="digits"))
    assert (len(split.train), len(split.held_out)) == (1438, 359)
    assert split.train.pixels.shape[1:] == (8, 8, 1)
    assert (split.train.pixels.min(), split.train.pixels.max()) == (0, 16)
    # The frozen random stream: whoever changes the split changes every published accuracy.
    assert split.held_out.labels[:8].tolist() == [9, 7, 9, 0, 3, 4, 9, 5]


def test_an_npz_is_read_and_split(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    pixels = np.arange(10 * 2 * 2, dtype=np.uint8).reshape(10, 2, 2, 1)
    np.savez(path, images=pixels, labels=np.arange(10) % 2)
    split = load_split(DataFacts(name=str(path), held_out=0.4))
    assert (len(split.train), len(split.held_out)) == (6, 4)
    seen = np.concatenate([split.train.pixels, split.held_out.pixels])
    assert sorted(seen[:, 0, 0, 0].tolist()) == pixels[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"labels": np.zeros(2, int)}, "images"),
        ({"images": np.zeros((2, 4, 4)), "labels": np.zeros(2, int)}, "not NHWC"),
        ({"images": np.zeros((2, 4, 0, 1)), "labels": np.zeros(2, int)}, "not NHWC"),
        ({"images": np.zeros((2, 4, 4, 1)), "labels": np.zeros(3, int)}, "2 images"),
        ({"images": np.zeros((2, 4, 4, 1)), "labels": np.array([0, -1])}, "negative"),
        ({"images": np.zeros((2, 4, 4, 1)), "labels": np.zeros(2)}, "labels float64"),
        ({"images": np.full((2, 4, 4, 1), np.nan), "labels": np.zeros(2, int)}, "NaN"),
        ({"images": np.array([None, "x"]), "labels": np.zeros(2, int)}, "pickle"),
    ],
)
def test_a_wrong_npz_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], complaint: str) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    with pytest.raises(BadInput, match=complaint) as caught:
        read_npz(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY\x01\x00garbage"])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(content)
    with pytest.raises(BadInput):
        read_npz(path)


def test_a_plain_npy_named_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BadInput):
        read_npz(path)


def test_unknown_and_missing_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no data set 'numbers'"):
        load_split(DataFacts(name="numbers"))
    with pytest.raises(BadInput, match="cannot read"):
        load_split(DataFacts(name=str(tmp_path / "absent.npz")))


def test_too_few_images_to_hold_some_out(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, images=np.zeros((2, 4, 4, 1)), labels=np.array([0, 1]))
    with pytest.raises(BadInput, match="too few"):
        load_split(DataFacts(name=str(path)))


def test_images_must_match_their_labels() -> None:
    with pytest.raises(ValueError, match="labels of shape"):
        Images(np.zeros((2, 1, 1, 1), np.float32), np.zeros((2, 1), np.int64))


def test_missing_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ToolMissing, match=r"pip install edgeq\[demo\]"):
        load_split(DataFacts(name="digits"))


def test_missing_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("edgeq.quantize.door", "edgeq.quantize.model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ToolMissing, match=r"pip install edgeq\[torch\]"):
        import edgeq.quantize.model  # noqa: F401  # its import is what is tested
