"""The hops of the equality ledger: which engines there are, run on the same inputs and compared."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeq.bench.ledger import (
    BoardTrace,
    HopResult,
    compare_board,
    compare_engines,
    compare_layers,
    compare_traces,
    not_run,
)
from edgeq.bench.oracles import litert_trace, onnx_trace, tflm_trace, to_nhwc
from edgeq.boards.board import Board
from edgeq.errors import ToolMissing, Unsupported
from edgeq.link.messages import RunFlag
from edgeq.link.session import Session
from edgeq.pipeline import board as boards
from edgeq.pipeline.engines import Choice, Engine, choose, engines_of
from edgeq.pipeline.prepare import Prepared
from edgeq.pipeline.progress import Progress
from edgeq.report.model import Difference, Hop
from edgeq.report.wording import percent

HOST_HOP = "native-host"  # the native engine as a process of this machine
ACCURACY_DROP_MOST = 0.005  # float top-1 minus INT8 top-1, as a share of one


def software_hops(prepared: Prepared, progress: Progress) -> list[HopResult]:
    """torch and ONNX layer by layer on equal inputs, LiteRT's reference kernels, TFLite Micro."""
    hops = [] if prepared.float_scores is None else [_keras("keras", prepared, prepared.float_scores)]
    for i, (name, compare) in enumerate(_SOFTWARE.items()):
        progress.update(i / len(_SOFTWARE), name)
        try:
            hops.append(compare(name, prepared))
        except (ToolMissing, Unsupported) as e:
            hops.append(not_run(name, f"{e.what}: {e.hint}" if e.hint else e.what))
    return hops


def _keras(name: str, p: Prepared, scores: NDArray[np.float32]) -> HopResult:
    """A float network that edgeq did not quantise: how far INT8 is from it, judged by the loss of accuracy."""
    output = p.model.graph.outputs[0]
    quant = p.model.graph.tensor(output).quant
    if p.accuracy is None or quant is None:
        return not_run(name, "there is nothing to compare it by")
    found = p.reference[output].reshape(scores.shape)
    apart = int(np.abs(quant.quantise(scores, "int8").astype(np.int16) - found).max())
    float_top1, int8_top1 = p.accuracy.float_top1, p.accuracy.int8_top1
    note = f"top-1 {percent(float_top1)} float, {percent(int8_top1)} INT8; scores up to {apart} LSB apart"
    status: Literal["within", "differs"] = "within" if float_top1 - int8_top1 <= ACCURACY_DROP_MOST else "differs"
    return HopResult(name, status, 1, len(scores), note=note)


def _torch(name: str, p: Prepared) -> HopResult:
    if not p.torch_trace:
        return not_run(name, "the model does not come from torch")
    return compare_layers(name, p.model.graph, {n: to_nhwc(v) for n, v in p.torch_trace.items()})


def _onnx(name: str, p: Prepared) -> HopResult:
    if p.model.onnx is None or p.float_inputs is None:
        return not_run(name, "the model does not come from ONNX")
    graph = p.model.graph
    return compare_layers(name, graph, onnx_trace(p.model.onnx, list(graph.tensors), p.float_inputs))


def _litert(name: str, p: Prepared) -> HopResult:
    graph = p.model.graph
    return compare_layers(name, graph, litert_trace(p.model.tflite, graph, p.model.file, p.inputs))


def _tflm(name: str, p: Prepared) -> HopResult:
    graph = p.model.graph
    return compare_traces(name, graph, p.reference, tflm_trace(p.model.tflite, graph, p.model.file, p.inputs))


_SOFTWARE: dict[str, Callable[[str, Prepared], HopResult]] = {
    "torch": _torch,
    "onnx": _onnx,
    "litert": _litert,
    "tflm": _tflm,
}


def board_hops(talk: Session, prepared: Prepared, choice: Choice, progress: Progress) -> list[HopResult]:
    """Each engine behind a session, every step on every input; two of them also with one another."""
    boards.require_model(talk)
    port = talk.info().get("port", "board")
    traces = {engine: _trace(talk, engine, prepared, progress) for engine in engines_of(choice)}
    hops = [compare_board(f"{engine}-{port}", trace, prepared.reference) for engine, trace in traces.items()]
    if choice == "both":
        hops.append(compare_engines("native-tflm", prepared.model.graph, traces["native"], traces["tflm"]))
    return hops


def _trace(talk: Session, engine: Engine, prepared: Prepared, progress: Progress) -> BoardTrace:
    choose(talk, engine)
    steps, inputs = talk.steps(), prepared.inputs
    rows = []
    for i, data in enumerate(inputs):
        progress.update(i / len(inputs), f"{engine}, input {i + 1} of {len(inputs)}")
        talk.write_input(data.tobytes())
        talk.run(RunFlag.HASH)
        rows.append(tuple(talk.hashes()))

    def fetch(i: int, step: int) -> bytes:
        choose(talk, engine)
        talk.write_input(inputs[i].tobytes())
        talk.run(steps=step + 1)
        return talk.read_step(step, steps[step].output_bytes)

    return BoardTrace(_steps_of(engine, prepared), tuple(rows), fetch)


def _steps_of(engine: Engine, prepared: Prepared) -> tuple[str | None, ...]:
    """What each step completes: TFLite Micro has a step for each output of the file's operators."""
    if engine == "tflm":
        return tuple(output for node in prepared.model.graph.nodes for output in node.outputs)
    return prepared.plan.completed()


def host_hop(prepared: Prepared, board: Board, progress: Progress) -> HopResult:
    """The native engine as a process of this machine."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgeq-host-") as folder:
            firmware = boards.build("host", board, Path(folder), progress)
            contents = boards.flash_contents(board, firmware.app_image, prepared.image)
            with boards.virtual_board("host", board, contents) as virtual, boards.session(virtual.url) as talk:
                return board_hops(talk, prepared, "native", progress)[0]
    except ToolMissing as e:
        return not_run(HOST_HOP, f"{e.what}: {e.hint}")


def to_report(hops: list[HopResult]) -> tuple[Hop, ...]:
    """The ledger as the report has it."""
    out = []
    for hop in hops:
        first = hop.first_difference
        fields = asdict(hop) | {
            "equal": hop.equal,
            "first_difference": Difference(**asdict(first)) if first else None,
        }
        out.append(Hop(**fields))
    return tuple(out)


def to_json(hops: tuple[Hop, ...]) -> bytes:
    """`ledger.json`."""
    return json.dumps({"hops": [hop.model_dump(mode="json") for hop in hops]}, indent=2).encode() + b"\n"
