"""model.toml: the shipped one reads, and every wrong one is refused with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeq.bundled import bundled
from edgeq.errors import BadInput
from edgeq.quantize.recipe import read_recipe

GOOD = """
name = "tiny"
factory = "tiny.py:make"
labels = ["a", "b"]
[input]
shape = [1, 8, 8, 3]
mean = [0.1, 0.2, 0.3]
[data]
name = "digits"
"""


def test_the_shipped_recipe_reads_and_points_at_its_files() -> None:
    recipe = read_recipe(bundled("models") / "resnet18-digits")
    assert recipe.input.shape == (1, 32, 32, 3)
    assert recipe.labels == tuple("0123456789")
    assert recipe.weights_path is not None
    assert recipe.weights_path.stat().st_size < 4_000_000
    assert (recipe.folder / recipe.factory.partition(":")[0]).is_file()


def test_defaults(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(GOOD)
    recipe = read_recipe(tmp_path)
    assert recipe.weights_path is None
    assert recipe.input.scale == 1 and recipe.input.std == () and recipe.input.resize == "bilinear"
    assert recipe.data is not None and recipe.data.held_out == 0.2


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('name = "tiny"\n', "", "name"),
        ('name = "tiny"', 'name = "../tiny"', "name"),
        ("tiny.py:make", "tiny.py", "factory"),
        ("[1, 8, 8, 3]", "[2, 8, 8, 3]", "input.shape"),
        ("[1, 8, 8, 3]", "[1, 8, 0, 3]", "input.shape"),
        ("[0.1, 0.2, 0.3]", "[0.1]", "mean has 1 values for 3 channels"),
        ("[0.1, 0.2, 0.3]", "[0.1, 0.2, nan]", "input.mean"),
        ("mean = ", "std = [1.0, 1.0, 0.0] #", "input.std"),
        ('"a"', '"a\\u001b[2J"', "labels"),
        ('name = "digits"', 'name = "digits"\nheld_out = 1.0', "data.held_out"),
        ('name = "digits"', 'name = "digits"\nspilt_seed = 1', "data.spilt_seed"),
        ("labels", 'folder = "/"\nlabels', "folder"),
        ("[data]", "[data", "not TOML"),
    ],
)
def test_a_wrong_recipe_is_refused_by_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in GOOD
    (tmp_path / "model.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(BadInput) as caught:
        read_recipe(tmp_path)
    assert key in str(caught.value)
    assert "model.toml" in caught.value.where


def test_no_recipe_and_not_text(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read it"):
        read_recipe(tmp_path)
    (tmp_path / "model.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not TOML"):
        read_recipe(tmp_path)
