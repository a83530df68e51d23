"""PyTorch to INT8: calibrate, convert, export, and say what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput
from edgeq.quantize.batches import takes_batches
from edgeq.quantize.calibrate import float_graph
from edgeq.quantize.data_checks import data_warnings
from edgeq.quantize.door import one_thread, quiet, torch
from edgeq.quantize.effort import REPAIRS, Effect, Effort, Repair, calibrate_and_repair
from edgeq.quantize.export import to_onnx
from edgeq.quantize.hints import Findings, Hint, hints
from edgeq.quantize.images import Labels
from edgeq.quantize.leave_one_out import BATCH as LEFT_OUT_BATCH
from edgeq.quantize.leave_one_out import LeaveOneOut, affordable_samples, leave_one_out
from edgeq.quantize.model import LoadedModel
from edgeq.quantize.names import label_activations
from edgeq.quantize.observers import Observer
from edgeq.quantize.qat import EPOCHS_MOST, SEED, Tuning, tune
from edgeq.quantize.recipe import DataFacts
from edgeq.quantize.rules import TFLiteQuantizer
from edgeq.quantize.samples import Samples, check_expected, load_samples
from edgeq.quantize.trace import Activation, measure, trace
from edgeq.quantize.training_data import load_training_data
from edgeq.quantize.weights import Weight, measure_weights

LEDGER_SAMPLES = 16

# Samples that are scored at once.
BATCH = 50

# progress(stage, done, total); the stages are "score float", "calibrate", "repair", "train, epoch N of N" and
# "calibrate again" where asked for, "export", "leave one layer out" where asked for, and "score INT8"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class QuantizedModel:
    """A QDQ ONNX file, how it was made, and what is known of it.

    `onnx_bytes` takes float NCHW of batch 1. `float_classes` and `qdq_classes` are what the float network and the
    simulated INT8 one take each of `held_out` for; accuracies are shares of it. `trace` holds the int8 activations
    of the torch QDQ graph run freely on `ledger` (the first held-out samples): [N, ...], NCHW, keyed by the name of
    the ONNX tensor that the QuantizeLinear makes. `activations` measures them on those samples, `weights` each layer's
    weight. `left_out` tells what each layer costs, where that was asked for, on the first held-out samples. `effects`
    tell what each repair brought, `tuning` what training did; `warnings` are sentences on what is suspicious about the
    data, `hints` what to try.
    """

    name: str
    labels: tuple[str, ...]
    weights_sha256: str
    onnx_bytes: bytes
    per_channel: bool
    observer: Observer
    effects: tuple[Effect, ...]
    tuning: Tuning | None
    calibration_samples: int
    parameters: int
    float_classes: Labels
    qdq_classes: Labels
    held_out: Samples
    ledger: Samples
    trace: dict[str, NDArray[np.int8]]
    activations: tuple[Activation, ...]
    weights: tuple[Weight, ...]
    left_out: LeaveOneOut | None
    warnings: tuple[str, ...]
    hints: tuple[Hint, ...]

    @property
    def float_top1(self) -> float:
        """Share of `held_out` that the float network gets right."""
        return self.held_out.share_right(self.float_classes)

    @property
    def qdq_top1(self) -> float:
        """The same of the simulated INT8 network."""
        return self.held_out.share_right(self.qdq_classes)


@one_thread()
def quantize(
    model: LoadedModel,
    *,
    data: DataFacts | None = None,
    per_channel: bool = True,
    observer: Observer | None = None,
    calibration_samples: int = 256,
    effort: Effort = "quick",
    qat_epochs: int = 0,
    explain: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> QuantizedModel:
    """Quantise `model` by TFLite's INT8 rules with `data`, or with the data its recipe names.

    `effort` says what is repaired (`effort.py`); `observer` is min-max where none is named. Calibration takes the
    first `calibration_samples` of the data's training part (all of it, if there are fewer). `qat_epochs` are for
    equalisation and then fine-tuning, with that training part (`qat.py`). With `explain`, each layer is left in float
    in turn to find what it costs (`leave_one_out.py`).

    Raises:
        BadInput: no data, data that does not fit the network or cannot be trained with, an unknown observer.
        Unsupported: the network holds something that has no INT8 rule or no ONNX form.
        ToolMissing: the data set's package is not installed.
        CheckFailed: the float network scores less than its recipe expects, or makes scores that are not finite.
    """
    if not 0 <= qat_epochs <= EPOCHS_MOST:
        raise BadInput(f"{qat_epochs} epochs of training", hint=f"0 to {EPOCHS_MOST}; 1 to 3 usually are enough")
    # Before minutes of work: what is wrong with the data is said at once.
    training = load_training_data(model.recipe, data, classes=model.classes, seed=SEED) if qat_epochs else None
    train, held_out = load_samples(model.recipe, data, calibration_samples=calibration_samples, classes=model.classes)
    float_classes = _classes(model.module, held_out, partial(progress, "score float"))
    float_top1 = held_out.share_right(float_classes)
    if data is None:
        check_expected(model.recipe, float_top1)

    ledger = held_out.first(LEDGER_SAMPLES)
    if effort not in REPAIRS:
        raise BadInput(f"no effort {effort!r}", hint=f"one of {', '.join(REPAIRS)}")
    calibration = torch.from_numpy(train.inputs_nchw)
    calibrated, effects = calibrate_and_repair(
        model.module,
        calibration,
        per_channel=per_channel,
        observer=observer,
        repairs=_repairs(effort, train=training is not None),
        step=progress,
    )
    repairs = tuple(effect.repair for effect in effects if effect.kept)
    used_observer: Observer = observer or ("auto" if "ranges" in repairs else "minmax")
    tuning = None
    if training is not None:
        equalised = "equalisation" in repairs
        quantizer = partial(TFLiteQuantizer, per_channel=per_channel, observer=used_observer)
        graph = float_graph(model.module, calibration, biases=True, equalised=equalised)
        calibrated, tuning = tune(
            model.module, graph, calibrated, calibration, training, quantizer, qat_epochs, progress
        )

    progress("export", 0, 1)
    labels = label_activations(calibrated.quantised)
    facts = {
        "edgeq.model": model.recipe.name,
        "edgeq.weights_sha256": model.weights_sha256,
        "edgeq.labels": "\n".join(model.recipe.labels),
        "edgeq.weights": "per-channel" if per_channel else "per-tensor",
        "edgeq.observer": used_observer,
        "edgeq.repairs": ", ".join(_in_the_network(repairs, tuning)),
        "edgeq.calibration": f"{len(calibration)} samples",
    }
    onnx_bytes = to_onnx(calibrated.quantised, calibration[:1], facts)
    progress("export", 1, 1)

    ledger_inputs = torch.from_numpy(ledger.inputs_nchw)
    traced = trace(calibrated.quantised, labels, ledger_inputs)
    activations = measure(calibrated, labels, ledger_inputs, traced)
    weights = measure_weights(calibrated, labels)
    left_out = None
    if explain:
        some = held_out.first(affordable_samples(activations))
        inputs = torch.from_numpy(some.inputs_nchw)
        batch = LEFT_OUT_BATCH if takes_batches(model.module, inputs[:2]) else 1
        step = partial(progress, "leave one layer out")
        left_out = leave_one_out(calibrated, labels, inputs, some.labels, step, batch=batch)
    qdq_classes = _classes(calibrated.quantised, held_out, partial(progress, "score INT8"))
    findings = Findings(
        activations, weights, float_top1, held_out.share_right(qdq_classes), len(calibration), per_channel,
        used_observer, effort, trained=tuning is not None, explained=explain,
    )  # fmt: skip
    return QuantizedModel(
        name=model.recipe.name,
        labels=model.recipe.labels,
        weights_sha256=model.weights_sha256,
        onnx_bytes=onnx_bytes,
        per_channel=per_channel,
        observer=used_observer,
        effects=effects,
        tuning=tuning,
        calibration_samples=len(calibration),
        parameters=sum(parameter.numel() for parameter in model.module.parameters()),
        float_classes=float_classes,
        qdq_classes=qdq_classes,
        held_out=held_out,
        ledger=ledger,
        trace=traced,
        activations=activations,
        weights=weights,
        left_out=left_out,
        warnings=data_warnings(train.stored, train.inputs_nhwc, model.recipe.input),
        hints=hints(findings),
    )


def _repairs(effort: Effort, *, train: bool) -> tuple[Repair, ...]:
    """Those of an effort; training is better where no channel stands out, and so comes with equalisation."""
    repairs = REPAIRS[effort]
    return ("equalisation", *repairs) if train and "equalisation" not in repairs else repairs


def _in_the_network(repairs: tuple[Repair, ...], tuning: Tuning | None) -> tuple[str, ...]:
    """The repairs that the exported network has: training that is kept starts behind ranges and equalisation."""
    if tuning is None or tuning.kept == 0:
        return repairs
    return (*(repair for repair in repairs if repair in ("ranges", "equalisation")), "qat")


def _classes(module: torch.nn.Module, samples: Samples, step: Callable[[int, int], None]) -> Labels:
    """What a network takes each sample for."""
    inputs = torch.from_numpy(samples.inputs_nchw)
    classes = []
    with quiet(), torch.no_grad():
        batch = BATCH if takes_batches(module, inputs[:2]) else 1
        for start in range(0, len(inputs), batch):
            classes.append(module(inputs[start : start + batch]).numpy().argmax(axis=1))
            step(min(start + batch, len(inputs)), len(inputs))
    return np.concatenate(classes).astype(np.int64)
