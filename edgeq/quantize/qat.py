"""Quantisation-aware training: fine-tune a network while its weights and activations are rounded to int8.

The graph is that of calibration, with its batch norms folded: their statistics stand still from the first step (Nagel
et al. 2021, arXiv:2106.08295, section 4, "static folding"), and what is trained are the weight and the bias that the
int8 layer has. torchao's own fusion of convolution and batch norm is not used: it takes every epsilon for 1e-5, and
the biases it leaves are float. After each epoch the tuned network is calibrated and converted as any other is, and
scored on images that are set aside from the training part; the best one, the network before among them, is kept.

The loss is the mean of two cross-entropies, against the labels and against what the float network says. Adam's rate is
relative to what it changes: a parameter's is RATE times the median magnitude of its values, so that one rate suits
layers of any scale, as folded ones are, and no channel that stands out sets the pace of the others.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

from edgeq.errors import CheckFailed
from edgeq.quantize.batches import scores, takes_batches
from edgeq.quantize.calibrate import Calibrated, annotated, calibrate_graph
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.fake import set_ranges
from edgeq.quantize.graphs import Graph, constant, layer_of
from edgeq.quantize.images import Floats, Index, Labels
from edgeq.quantize.rules import TFLiteQuantizer
from edgeq.quantize.training_data import BATCH, TrainingData

EPOCHS_MOST = 1000
RATE = 3e-3  # of the first step; a cosine takes it to 0
SEED = 0

# step(stage, done, total)
Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Epoch:
    """The INT8 network behind an epoch, on the images set aside: share of right classes, mean loss.

    `trained_loss` is the mean loss of the epoch's batches in training; of epoch 0, the network before, there is none.
    """

    number: int
    trained_loss: float | None
    top1: float
    loss: float

    @property
    def merit(self) -> tuple[float, float]:
        """More is better: what is right, then how surely."""
        return self.top1, -self.loss


@dataclass(frozen=True)
class Tuning:
    """What training brought: its epochs, 0 the network before; how many images it had; the epoch that is kept."""

    images: int
    set_aside: int
    epochs: tuple[Epoch, ...]
    kept: int


def tune(
    module: torch.nn.Module,
    graph: Graph,
    before: Calibrated,
    samples: torch.Tensor,
    data: TrainingData,
    quantizer: Callable[..., TFLiteQuantizer],
    epochs: int,
    step: Step,
) -> tuple[Calibrated, Tuning]:
    """Fine-tune a `float_graph` of `module`; returns the best INT8 network, `before` among them. Both stay as they are.

    `samples` (float NCHW) calibrate; `quantizer(training=...)` makes a fresh quantiser each time. The same arguments
    give the same result.

    Raises:
        Unsupported: see `calibrate`.
        CheckFailed: a loss that is not finite.
    """
    with quiet():
        teacher = _Teacher(module, takes_batches(graph, samples[:2]))
        training, trained = _trainable(graph, quantizer(training=True))
    adam, rate = _adam(trained, epochs * math.ceil(len(data.train) / BATCH))
    random = np.random.RandomState(SEED)

    def one_epoch(number: int) -> float:
        """The mean loss."""
        total, done, order = 0.0, 0, random.permutation(data.train)
        for inputs, labels in data.batches(order):
            with quiet():
                loss, _ = teacher.judge(training, inputs, labels)
            if not math.isfinite(loss.item()):
                raise CheckFailed(
                    f"the loss is {loss.item()} in epoch {number} of training",
                    hint="does the float network make finite scores of every training image?",
                )
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
            adam.step()
            rate.step()
            total, done = total + loss.item() * len(labels), done + len(labels)
            step(f"train, epoch {number} of {epochs}", math.ceil(done / BATCH), math.ceil(len(order) / BATCH))
        return total / done

    best = present = before
    history, kept = [Epoch(0, None, *teacher.score(before.quantised, data, data.aside))], 0
    for number in range(1, epochs + 1):
        set_ranges(training, present.observed)
        trained_loss = one_epoch(number)
        tuned = _with_values(graph, trained)
        present = calibrate_graph(tuned, quantizer(), samples, lambda done, total: step("calibrate again", done, total))
        history.append(Epoch(number, trained_loss, *teacher.score(present.quantised, data, data.aside)))
        if history[number].merit > history[kept].merit:
            best, kept = present, number
    return best, Tuning(len(data.train), len(data.aside), tuple(history), kept)


@dataclass(frozen=True)
class _Teacher:
    """The float network, which half of the loss follows; `at_once` is whether networks take batches."""

    module: torch.nn.Module
    at_once: bool

    def judge(self, network: Graph, inputs: Floats, labels: Labels) -> tuple[torch.Tensor, int]:
        """The loss of a batch, and how many are right."""
        batch, wanted = torch.from_numpy(inputs), torch.from_numpy(labels)
        with torch.no_grad():
            taught = scores(self.module, batch, at_once=self.at_once).softmax(dim=1)
        made = scores(network, batch, at_once=self.at_once)
        loss = (F.cross_entropy(made, wanted) + F.cross_entropy(made, taught)) / 2
        return loss, int((made.argmax(dim=1) == wanted).sum())

    def score(self, network: Graph, data: TrainingData, index: Index) -> tuple[float, float]:
        """Share of right classes and mean loss."""
        right, total = 0, 0.0
        with quiet(), torch.no_grad():
            for inputs, labels in data.batches(index):
                loss, count = self.judge(network, inputs, labels)
                right, total = right + count, total + loss.item() * len(labels)
        return right / len(index), total / len(index)


def _trainable(graph: Graph, quantizer: TFLiteQuantizer) -> tuple[Graph, dict[str, torch.nn.Parameter]]:
    """A copy with fake quantisation, and by their names the layers' weights and biases, which alone are trained."""
    copied = copy.deepcopy(graph)
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    layers = [layer for node in copied.graph.nodes if (layer := layer_of(node)) is not None]
    constants = [node for layer in layers for node in (layer.weight, layer.bias) if node is not None]
    values = {str(node.target): constant(copied, node) for node in constants if node.op == "get_attr"}
    trained = {name: torch.nn.Parameter(value.detach().clone()) for name, value in values.items()}
    _set(copied, trained)
    return annotated(copied, quantizer, prepare_qat_pt2e), trained


def _with_values(graph: Graph, trained: dict[str, torch.nn.Parameter]) -> Graph:
    """A copy of the graph with these weights and biases."""
    with quiet():
        copied = copy.deepcopy(graph)
    frozen = {name: torch.nn.Parameter(value.detach().clone(), False) for name, value in trained.items()}
    _set(copied, frozen)
    return copied


def _set(graph: Graph, parameters: dict[str, torch.nn.Parameter]) -> None:
    for name, parameter in parameters.items():
        owner, _, attribute = name.rpartition(".")
        setattr(graph.get_submodule(owner), attribute, parameter)


def _adam(
    trained: dict[str, torch.nn.Parameter], steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Adam with a rate of its own for each parameter, along a cosine over all steps."""
    sizes = [float(value.detach().abs().median()) for value in trained.values()]
    typical = float(np.median(sizes))  # for a bias of zeros, which has no size to be relative to
    groups = [
        {"params": [value], "lr": RATE * (size or typical)} for value, size in zip(trained.values(), sizes, strict=True)
    ]
    adam = torch.optim.Adam(groups)
    return adam, torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
