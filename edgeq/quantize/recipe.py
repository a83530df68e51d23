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

Torch is not needed to read it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError, model_validator

from edgeq.errors import BadInput
from edgeq.preprocess import FloatRule

Fraction = Annotated[FiniteFloat, Field(gt=0, lt=1)]
Label = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]
PositiveFloat = Annotated[FiniteFloat, Field(gt=0)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputFacts(_Table):
    """The deployed input, NHWC with batch 1, and how stored pixels become it."""

    shape: tuple[Literal[1], PositiveInt, PositiveInt, PositiveInt]
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
    """A whole `model.toml`. `folder` is where its relative paths start; it is not in the file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    factory: Annotated[str, Field(pattern=r"^.+\.py:[A-Za-z_][A-Za-z0-9_]*$")]
    folder: Path
    weights: str | None = None
    labels: tuple[Label, ...] = ()
    kwargs: dict[str, bool | int | float | str] = {}
    input: InputFacts
    data: DataFacts | None = None
    expected: Expected | None = None

    @property
    def weights_path(self) -> Path | None:
        """The file of weights, or None where the factory's own weights are meant."""
        return None if self.weights is None else self.folder / self.weights


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
