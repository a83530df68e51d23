"""From MODEL to everything the board gets: quantise, convert, plan, choose golden samples, make the model image."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeq import ops
from edgeq.boards.board import Board
from edgeq.convert import convert_onnx, file_layout, integer_edges, read_tflite, write_tflite
from edgeq.errors import BadInput
from edgeq.graph import FileLayout, Graph, QuantParams
from edgeq.images.model import ModelImage, write_model_image
from edgeq.pipeline.board import target_of
from edgeq.pipeline.explanation import moved, quantisation_of
from edgeq.pipeline.float_models import load_keras, load_torch, quantise_torch
from edgeq.pipeline.pictures import picture_rule
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import (
    INPUTS,
    MODEL_IMAGE,
    MODEL_ONNX,
    MODEL_PLAN,
    MODEL_TFLITE,
    PREPROCESS_H,
    TORCH_TRACE,
    RunFolder,
    read_file,
)
from edgeq.pipeline.scoring import integer_answers, integer_top1
from edgeq.pipeline.source import Source
from edgeq.pipeline.tflm_arena import TflmArena, tflm_arena
from edgeq.plan import Plan, build_plan, encode_plan
from edgeq.preprocess import IntegerRule, c_header, encode_section
from edgeq.quantize.recipe import Shape
from edgeq.report.quantisation import Moved, Quantisation

GOLDEN_SAMPLES = 16


@dataclass(frozen=True)
class Accuracy:
    """Top-1 shares on `samples` held-out samples: the float network's, and the integer reference's.

    `qdq_top1` is the simulated one's, `moved` what the integer one takes for another class, where these are known.
    """

    float_top1: float
    int8_top1: float
    samples: int
    qdq_top1: float | None = None
    moved: tuple[Moved, ...] = ()


@dataclass(frozen=True)
class QuantiseOptions:
    """How a float model is quantised. Without an observer, it is the effort's (edgeq/quantize/effort.py).

    `data` names a data set in place of model.toml's; `input_shape` (NHWC) is for a factory without a model.toml.
    `explain` measures what each layer costs. `qat_epochs` are for training with INT8's rounding.
    """

    per_channel: bool = True
    observer: str | None = None
    calibration_samples: int = 256
    effort: str = "quick"
    data: str | None = None
    input_shape: Shape | None = None
    explain: bool = False
    qat_epochs: int = 0


@dataclass(frozen=True)
class Converted:
    """A `.tflite` and what is known of it."""

    name: str
    graph: Graph
    file: FileLayout
    tflite: bytes
    onnx: bytes | None = None


@dataclass(frozen=True)
class Prepared:
    """All that the later steps need of a model. `inputs` is int8 NHWC, `float_inputs` float32 NCHW for ONNX.

    `float_scores` is what a float network that edgeq has not quantised itself says of them.
    """

    model: Converted
    plan: Plan
    image: bytes
    inputs: NDArray[np.int8]
    reference: dict[str, NDArray[np.int8]]
    labels: tuple[str, ...] = ()
    float_inputs: NDArray[np.float32] | None = None
    float_scores: NDArray[np.float32] | None = None
    torch_trace: dict[str, NDArray[np.int8]] = field(default_factory=dict)
    accuracy: Accuracy | None = None
    params: int = 0
    sqnr: tuple[tuple[str, float], ...] = ()
    quantisation: Quantisation | None = None
    facts: dict[str, str] = field(default_factory=dict)
    pictures: IntegerRule | None = None
    tflm_arena: TflmArena | None = None


def convert(data: bytes, name: str) -> Converted:
    """QDQ ONNX bytes to a `.tflite`; what is returned was read back from its bytes."""
    return load_tflite(write_tflite(convert_onnx(data, name)), name, onnx=data)


def rewrite(data: bytes, name: str) -> Converted:
    """A `.tflite` of others written anew: the same graph with int8 ends, its constants on 16 bytes."""
    return load_tflite(write_tflite(load_tflite(data, name).graph), name)


def load_tflite(data: bytes, name: str, *, onnx: bytes | None = None) -> Converted:
    """A checked int8 `.tflite`; one with float or uint8 ends is written anew without them."""
    graph = read_tflite(data, name)
    integer = integer_edges(graph)
    if integer is not graph:
        ops.check(integer)
        return load_tflite(write_tflite(integer), name, onnx=onnx)
    ops.check(graph)
    return Converted(name, graph, file_layout(data, name), data, onnx)


def prepare(source: Source, options: QuantiseOptions, board: Board, run: RunFolder, progress: Progress) -> Prepared:
    """MODEL to a model image for that board, every file of the way in `run`."""
    if options.qat_epochs and source.kind in ("onnx", "tflite"):
        raise BadInput(
            "it is quantised; only a float network can be trained", where=source.path, hint="leave out --qat"
        )
    kinds = {"torch": _from_torch, "keras": _from_keras, "onnx": _from_onnx, "tflite": _from_tflite}
    prepared = kinds[source.kind](source, options, board, run, progress)
    run.write(MODEL_TFLITE, prepared.model.tflite, locked=True)
    run.write(MODEL_PLAN, encode_plan(prepared.plan), locked=True)
    run.write(MODEL_IMAGE, prepared.image, locked=True)
    if prepared.pictures is not None:
        run.write(PREPROCESS_H, c_header(prepared.pictures, prepared.model.name).encode(), locked=True)
    arrays: dict[str, NDArray[np.float32] | NDArray[np.int8]] = {"int8_nhwc": prepared.inputs}
    if prepared.float_inputs is not None:
        arrays["float_nchw"] = prepared.float_inputs
    run.write(INPUTS, to_npz(arrays), locked=True)
    return prepared


def _from_torch(source: Source, options: QuantiseOptions, board: Board, run: RunFolder, progress: Progress) -> Prepared:
    progress.step("quantise")
    loaded = load_torch(source, options, progress)
    quantised = quantise_torch(loaded, options, progress)
    for warning in quantised.warnings:
        progress.note(warning)
    run.write(MODEL_ONNX, quantised.onnx_bytes, locked=True)
    run.write(TORCH_TRACE, to_npz(quantised.trace), locked=True)
    progress.step("convert")
    model = convert(quantised.onnx_bytes, quantised.name)
    progress.step("score the integer network")
    held_out = as_int8(model.graph, quantised.held_out.inputs_nhwc)
    answers, truth = integer_answers(model.graph, held_out, progress), quantised.held_out.labels
    accuracy = Accuracy(
        quantised.float_top1, quantised.held_out.share_right(answers), len(truth), quantised.qdq_top1,
        moved(quantised.float_classes, answers, truth, quantised.labels),
    )  # fmt: skip
    ledger = quantised.ledger
    quant = _input_quant(model.graph)
    pictures, measured = picture_rule(loaded.recipe.input.rule, quant, ledger.stored, ledger.inputs_nhwc, progress)
    return _planned(
        model, as_int8(model.graph, ledger.inputs_nhwc), board, progress,
        labels=quantised.labels, pictures=pictures, float_inputs=ledger.inputs_nchw, torch_trace=quantised.trace,
        accuracy=accuracy, params=quantised.parameters, quantisation=quantisation_of(quantised, options.effort),
        sqnr=tuple((a.name, a.sqnr_db) for a in quantised.activations),
        facts={"weights_sha256": quantised.weights_sha256, "observer": quantised.observer, "effort": options.effort,
               "weights": "per-channel" if options.per_channel else "per-tensor",
               "calibration_samples": str(quantised.calibration_samples),
               "qat_epochs": str(options.qat_epochs), **measured},
    )  # fmt: skip


def _from_keras(source: Source, options: QuantiseOptions, board: Board, run: RunFolder, progress: Progress) -> Prepared:
    progress.step("quantise")
    done = load_keras(source, options, progress)
    progress.step("read")
    with source.errors():
        model = load_tflite(done.tflite, done.recipe.name)
    progress.step("score the integer network")
    inputs = as_int8(model.graph, done.held_out.inputs_nhwc)
    int8_top1 = integer_top1(model.graph, inputs, done.held_out.labels, progress)
    accuracy = Accuracy(done.held_out.share_right(done.float_classes), int8_top1, len(inputs))
    ledger = done.held_out.first(GOLDEN_SAMPLES)
    rule = done.recipe.input.rule
    pictures, measured = picture_rule(rule, _input_quant(model.graph), ledger.stored, ledger.inputs_nhwc, progress)
    return _planned(
        model, inputs[:GOLDEN_SAMPLES], board, progress, labels=done.recipe.labels, pictures=pictures,
        accuracy=accuracy, params=done.parameters,
        float_scores=done.scores[:GOLDEN_SAMPLES],
        facts={"weights_sha256": done.weights_sha256, "quantised_by": "TensorFlow",
               "weights": "per-channel" if options.per_channel else "per-tensor",
               "calibration_samples": str(len(done.calibration.labels)), **measured},
    )  # fmt: skip


def _from_onnx(source: Source, options: QuantiseOptions, board: Board, run: RunFolder, progress: Progress) -> Prepared:
    progress.step("convert")
    data = read_file(Path(source.path))
    with source.errors():
        model = convert(data, source.name)
    run.write(MODEL_ONNX, data, locked=True)
    inputs = random_inputs(model.graph, GOLDEN_SAMPLES, seed=0)
    return _planned(model, inputs, board, progress, float_inputs=to_onnx_input(model.graph, inputs))


def _from_tflite(
    source: Source, options: QuantiseOptions, board: Board, run: RunFolder, progress: Progress
) -> Prepared:
    progress.step("read")
    data = read_file(Path(source.path))
    with source.errors():
        model = load_tflite(data, source.name)
    return _planned(model, random_inputs(model.graph, GOLDEN_SAMPLES, seed=0), board, progress)


def _planned(model: Converted, inputs: NDArray[np.int8], board: Board, progress: Progress, **more: object) -> Prepared:
    progress.step("plan")
    plan = build_plan(model.graph, model.file, target_of(board))
    reference = ops.run(model.graph, {model.graph.inputs[0]: inputs})
    labels: tuple[str, ...] = more.get("labels", ())  # type: ignore[assignment]
    pictures: IntegerRule | None = more.get("pictures")  # type: ignore[assignment]
    arena = tflm_arena(model.tflite, board.chip.name)
    image = model_image(model, plan, inputs, reference, labels, pictures, arena)
    more.setdefault("params", _parameters(model.graph))
    return Prepared(model, plan, image, inputs, reference, tflm_arena=arena, **more)  # type: ignore[arg-type]


def model_image(
    model: Converted,
    plan: Plan,
    inputs: NDArray[np.int8],
    reference: dict[str, NDArray[np.int8]],
    labels: tuple[str, ...] = (),
    pictures: IntegerRule | None = None,
    arena: TflmArena | None = None,
) -> bytes:
    """The model image with the samples as golden ones."""
    outputs = reference[model.graph.outputs[0]]
    golden = b"".join(x.tobytes() + y.tobytes() for x, y in zip(inputs, outputs, strict=True))
    section = encode_section(pictures) if pictures is not None else b""
    tflm_bytes = arena.chip_bytes if arena else 0
    return write_model_image(
        ModelImage(model.name, encode_plan(plan), model.tflite, golden, labels, section, tflm_bytes)
    )


def random_inputs(graph: Graph, count: int, seed: int) -> NDArray[np.int8]:
    """Seeded inputs over the full int8 range, [count, H, W, C]."""
    shape = graph.tensor(graph.inputs[0]).shape
    return np.random.default_rng(seed).integers(-128, 128, (count, *shape[1:]), dtype=np.int8)


def to_onnx_input(graph: Graph, inputs: NDArray[np.int8]) -> NDArray[np.float32]:
    """The real values of int8 NHWC inputs, as NCHW."""
    real = _input_quant(graph).dequantise(inputs)
    return np.ascontiguousarray(real.transpose(0, 3, 1, 2)) if real.ndim == 4 else real


def _input_quant(graph: Graph) -> QuantParams:
    quant = graph.tensor(graph.inputs[0]).quant
    if quant is None:
        raise BadInput("the input is not quantised", where=graph.name)
    return quant


def as_int8(graph: Graph, inputs: NDArray[np.float32]) -> NDArray[np.int8]:
    """Real NHWC inputs as the graph's input takes them.

    Raises:
        BadInput: they have another shape.
    """
    tensor = graph.tensor(graph.inputs[0])
    if inputs.shape[1:] != tensor.shape[1:]:
        raise BadInput(f"inputs of {list(inputs.shape[1:])} do not fit {list(tensor.shape[1:])}", where=graph.name)
    return _input_quant(graph).quantise(inputs, "int8")


def _parameters(graph: Graph) -> int:
    """Elements of the constants that are weights or biases."""
    return sum(t.elements for t in graph.tensors.values() if t.is_constant and t.quant is not None)


def to_npz(arrays: Mapping[str, NDArray[np.float32] | NDArray[np.int8]]) -> bytes:
    """Arrays as an `.npz`; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]  # its stub takes a name for allow_pickle
    return buffer.getvalue()


def from_npz(data: bytes, where: str) -> dict[str, NDArray[np.float32 | np.int8]]:
    """The inverse; nothing in it is ever executed."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, KeyError, EOFError) as e:
        raise BadInput("is not a sound .npz file", where=where) from e


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()
