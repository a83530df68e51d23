"""Models that are still float: loaded for edgeq's quantiser, or quantised by TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.convert.float_onnx import read_float_onnx
from edgeq.errors import BadInput
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.source import Source
from edgeq.quantize.keras import QuantizedKeras, quantize_keras
from edgeq.quantize.recipe import DataFacts

if TYPE_CHECKING:  # torch is imported by the step that needs it: the others start in a fraction of a second
    from edgeq.pipeline.prepare import QuantiseOptions
    from edgeq.quantize.model import LoadedModel
    from edgeq.quantize.quantize import QuantizedModel


def load_torch(source: Source, options: QuantiseOptions, progress: Progress) -> LoadedModel:
    """A network for edgeq's quantiser: from a folder, a factory, float ONNX or a .pt2."""
    from edgeq.quantize.model import load_model

    with source.errors():
        loaded = load_model(source.path, input_shape=options.input_shape, read_onnx=read_float_onnx)
    _note_assumption(source, progress)
    return loaded


def quantise_torch(loaded: LoadedModel, options: QuantiseOptions, progress: Progress) -> QuantizedModel:
    """The network by edgeq's own quantiser."""
    from edgeq.quantize.quantize import quantize

    return quantize(
        loaded,
        data=_data_facts(options),
        per_channel=options.per_channel,
        observer=options.observer,  # type: ignore[arg-type]  # quantize() checks it
        calibration_samples=options.calibration_samples,
        effort=options.effort,  # type: ignore[arg-type]  # quantize() checks it
        explain=options.explain,
        qat_epochs=options.qat_epochs,
        progress=lambda stage, at, total: progress.update(at / max(total, 1), stage),
    )


def load_keras(source: Source, options: QuantiseOptions, progress: Progress) -> QuantizedKeras:
    """A Keras model, quantised by TensorFlow."""
    if options.observer is not None or options.effort != "quick" or options.qat_epochs:
        raise BadInput(
            "TensorFlow quantises Keras models; --observer, --effort and --qat are edgeq's own", where=source.path
        )
    with source.errors():
        done = quantize_keras(
            Path(source.path), input_shape=options.input_shape, data=_data_facts(options),
            per_channel=options.per_channel, calibration_samples=options.calibration_samples,
            progress=lambda stage, at, total: progress.update(at / max(total, 1), stage),
        )  # fmt: skip
    _note_assumption(source, progress)
    for warning in done.warnings:
        progress.note(warning)
    return done


def _data_facts(options: QuantiseOptions) -> DataFacts | None:
    """The data set that is to be used in place of the recipe's."""
    return DataFacts(name=options.data) if options.data else None


def _note_assumption(source: Source, progress: Progress) -> None:
    if not (Path(source.path) / "model.toml").is_file():
        progress.note("no model.toml says how pixels become the input: they go in as they are stored")
