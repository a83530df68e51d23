"""The labelled images that training learns from, read a few at a time. Torch is not needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from edgeq.errors import BadInput
from edgeq.quantize.data import open_training, preprocess, stratified
from edgeq.quantize.images import Floats, Index, Labels
from edgeq.quantize.recipe import DataFacts, Recipe

BATCH = 32

# Batches that are in memory at once.
CHUNK = 16

# A share of the training part is set aside to judge training by, and at most so many images.
SET_ASIDE = 0.1
SET_ASIDE_MOST = 1000
FEWEST = 10  # images to train with

HINT = "training needs [data] with a training part and its labels: class folders, or `images` and `labels`"


@dataclass(frozen=True)
class TrainingData:
    """The class of each image of the training part, and the images at an index as the network's input, NCHW.

    `train` and `aside` are the indices of the images to train with and of those set aside.
    """

    labels: Labels
    read: Callable[[Index], Floats]
    train: Index
    aside: Index

    def batches(self, index: Index) -> Iterator[tuple[Floats, Labels]]:
        """Inputs and classes at an index, in its order, BATCH at a time."""
        for start in range(0, len(index), CHUNK * BATCH):
            chunk = index[start : start + CHUNK * BATCH]
            inputs, labels = self.read(chunk), self.labels[chunk]
            for at in range(0, len(chunk), BATCH):
                yield inputs[at : at + BATCH], labels[at : at + BATCH]


def load_training_data(recipe: Recipe, data: DataFacts | None, *, classes: int, seed: int) -> TrainingData:
    """The training part of `data`, or of the data that the recipe names; what is held out is no part of it.

    Raises:
        BadInput: no data, no classes to learn, too few images, or a label that a network of so many `classes` does
            not know.
        ToolMissing: the data set's package is not installed.
    """
    facts = data or recipe.data
    if facts is None:
        raise BadInput("there is no data to train with", where=recipe.name, hint=HINT)
    part = open_training(
        facts, folder=None if data else recipe.folder, size=recipe.input.shape[1:3], names=recipe.labels
    )

    def read(index: Index) -> Floats:
        inputs = preprocess(part.read(index, None).pixels, recipe.input)
        return np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))

    train, aside = divided(part.labels, classes, facts.name, seed)
    return TrainingData(part.labels, read, train, aside)


def divided(labels: Labels, classes: int, where: str, seed: int) -> tuple[Index, Index]:
    """Indices of images to train with, and of those set aside: as many of each class as its share is.

    Raises:
        BadInput: see `load_training_data`.
    """
    if len(np.unique(labels)) < 2:
        raise BadInput("all images of the training part have the same label", where=where, hint=HINT)
    if (worst := int(labels.max())) >= classes:
        raise BadInput(f"label {worst} for a network of {classes} classes", where=where)
    train, aside = stratified(labels, min(SET_ASIDE, SET_ASIDE_MOST / len(labels)), seed)
    if len(aside) == 0 or len(train) < FEWEST:
        raise BadInput(f"{len(labels)} images are too few to train with and set some aside", where=where, hint=HINT)
    return train, aside
