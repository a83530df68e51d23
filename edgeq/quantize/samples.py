"""The samples that a model is calibrated with and scored on, preprocessed as its recipe says. Torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq.errors import BadInput, CheckFailed
from edgeq.quantize.data import load_split, preprocess
from edgeq.quantize.images import Floats, Images, Labels
from edgeq.quantize.recipe import DataFacts, Recipe

# The float network may score this much less than its recipe expects: arithmetic differs between machines.
TOLERANCE = 0.005


@dataclass(frozen=True)
class Samples:
    """Preprocessed float inputs [N, H, W, C], as the board's input is before it is quantised, and their classes.

    `stored` are the same samples as the data set holds them, [N, h, w, c].
    """

    inputs_nhwc: Floats
    labels: Labels
    stored: Floats

    @property
    def inputs_nchw(self) -> Floats:
        """The same inputs in torch's and ONNX's order."""
        return np.ascontiguousarray(self.inputs_nhwc.transpose(0, 3, 1, 2))

    def share_right(self, classes: Labels) -> float:
        """Share of the samples that `classes` tell right."""
        return float((classes == self.labels).mean())

    def first(self, count: int) -> Samples:
        """The first `count` of them."""
        return Samples(self.inputs_nhwc[:count], self.labels[:count], self.stored[:count])


def load_samples(
    recipe: Recipe, data: DataFacts | None, *, calibration_samples: int, classes: int
) -> tuple[Samples, Samples]:
    """Calibration and held-out samples, of `data` or of the data that the recipe names.

    Raises:
        BadInput: no data, or a label that a network of so many `classes` does not know.
        ToolMissing: the data set's package is not installed.
    """
    facts = data or recipe.data
    if facts is None:
        raise BadInput(
            "there is no data to calibrate with",
            where=recipe.name,
            hint="[data] in model.toml, or --data",
        )
    if calibration_samples < 1:
        raise BadInput(f"{calibration_samples} calibration samples are too few", hint="100 or more")
    split = load_split(
        facts,
        folder=None if data else recipe.folder,
        train_samples=calibration_samples,
        size=recipe.input.shape[1:3],
        names=recipe.labels,
    )
    worst = int(split.held_out.labels.max())
    if worst >= classes:
        raise BadInput(f"label {worst} for a network of {classes} classes", where=facts.name)

    def prepared(images: Images) -> Samples:
        return Samples(preprocess(images.pixels, recipe.input), images.labels, images.pixels)

    return prepared(split.train), prepared(split.held_out)


def check_expected(recipe: Recipe, float_top1: float) -> None:
    """CheckFailed where the float network scores less than its recipe expects."""
    if recipe.expected is not None and float_top1 < recipe.expected.float_top1 - TOLERANCE:
        raise CheckFailed(
            f"float top-1 is {float_top1:.4f}, its model.toml expects {recipe.expected.float_top1:.4f}",
            where=recipe.name,
            hint="do the weights, [input] and [data] in model.toml belong together?",
        )
