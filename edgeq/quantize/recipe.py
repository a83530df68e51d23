"""`model.toml`: what a model folder says about its network, input, data and expected accuracy.

    name = "resnet18-digits"
    factory = "../resnet18.py:resnet18"     # file, relative to the folder, and the function in it
    weights = "weights.safetensors"
    labels = ["0", "1"]

    [kwargs]                                # what the factory is called with
    width = 0.25

    [input]
    shape = [1, 32, 32, 3]                  # NHWC
    scale = 0.0625                          # (resized(pixels) * scale - mean) / std
    white = 16                              # the stored pixel value that is white; 255 if not given
    resize = "bilinear"
    mean = [0.5, 0.5, 0.5]
    std = [0.5, 0.5, 0.5]

    [data]
    name = "digits"                         # see data.py; relative paths start at the folder
    split_seed = 0
    held_out = 0.2                          # where the data set has no split of its own

    [expected]
    float_top1 = 0.99

In place of factory, weights and kwargs, `file = "model.onnx"` names a float ONNX model, a `.pt2` of
torch.export.save, a `.keras` or `.h5` of Keras, or the folder of a SavedModel. Torch is not needed to read it.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError, model_validator

from edgeq.errors import BadInput
from edgeq.preprocess import FloatRule

Shape = tuple[Literal[1], PositiveInt, PositiveInt, PositiveInt]  # NHWC
Fraction = Annotated[FiniteFloat, Field(gt=0, lt=1)]
Label = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]
PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputFacts(_Table):
    """The deployed input, NHWC with batch 1, and how stored pixels become it."""

    shape: Shape
    scale: FiniteFloat = 1.0
    white: PositiveFloat = 255.0
    resize: Literal["bilinear", "nearest"] = "bilinear"
    mean: tuple[FiniteFloat, ...] = ()
    std: tuple[PositiveFloat, ...] = ()

    @model_validator(mode="after")
    def _one_per_channel(self) -> InputFacts:
        channels = self.shape[3]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != channels:
                raise ValueError(f"{name} has {len(values)} values for {channels} channels")
        return self

    @property
    def rule(self) -> FloatRule:
        """The same as what is to be computed."""
        _, height, width, channels = self.shape
        return FloatRule(
            height, width, channels, self.resize, self.scale, self.mean or (0.0,) * channels,
            self.std or (1.0,) * channels, self.white,
        )  # fmt: skip


class DataFacts(_Table):
    """Which data set scores the model, and which part of it training never saw.

    `calibration` names another data set to calibrate with, whose labels do not matter; `scored_samples` limits how many
    of the held-out samples are scored.
    """

    name: str
    calibration: str | None = None
    scored_samples: PositiveInt | None = None
    split_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    held_out: Fraction = 0.2


class Expected(_Table):
    """What the float network scores on the held-out data."""

    float_top1: Annotated[FiniteFloat, Field(ge=0, le=1)]


class Recipe(_Table):
    """A whole `model.toml`. `folder` is where its relative paths start; it is not in the file.

    The network is the one that `factory` makes, or the one that lies in `file`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    factory: Annotated[str, Field(pattern=r"^.+\.py:[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    file: Annotated[str, Field(min_length=1)] | None = None
    folder: Path
    weights: str | None = None
    labels: tuple[Label, ...] = ()
    kwargs: dict[str, bool | int | float | str] = {}
    input: InputFacts
    data: DataFacts | None = None
    expected: Expected | None = None

    @model_validator(mode="after")
    def _one_network(self) -> Recipe:
        if (self.factory is None) == (self.file is None):
            raise ValueError("either factory or file says which network it is")
        if self.file is not None and (self.weights is not None or self.kwargs):
            raise ValueError("weights and kwargs belong to a factory; a file holds its own")
        return self

    @property
    def file_path(self) -> Path | None:
        """The file that holds network and weights, or None where a factory makes the network."""
        return None if self.file is None else self.folder / self.file

    @property
    def weights_path(self) -> Path | None:
        """The file of weights, or None where the factory's own weights are meant."""
        return None if self.weights is None else self.folder / self.weights


def bare_recipe(path: Path, shape: Shape) -> Recipe:
    """What is assumed of a file without a `model.toml`: pixels go in as they are stored."""
    return Recipe(name=name_from(path.stem), file=path.name, folder=path.parent, input=InputFacts(shape=shape))


def name_from(text: str) -> str:
    """A file's name as a model's: what a name may not hold becomes a dash."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:64].lstrip("._-") or "model"


def read_recipe(folder: Path) -> Recipe:
    """Read and check `folder/model.toml`.

    Raises:
        BadInput: no such file, not TOML, or a value that breaks a rule; the value is named.
    """
    path = folder / "model.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read it ({error.strerror})", where=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not TOML: {error}", where=str(path)) from error
    if "folder" in table:
        raise BadInput("unknown key folder", where=str(path))
    try:
        return Recipe.model_validate({**table, "folder": folder})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the table"
        raise BadInput(
            f"{key}: {first['msg']}", where=str(path), hint="compare with models/resnet18-digits/model.toml"
        ) from error
