"""`edgeq verify`: the ledger again, of a finished run or of a bare `.tflite`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from edgeq import ops
from edgeq.bench.ledger import HopResult, not_run
from edgeq.boards.board import Board, load_board
from edgeq.errors import BadInput, CheckFailed
from edgeq.images.model import read_model_image
from edgeq.pipeline import board as boards
from edgeq.pipeline import hops
from edgeq.pipeline.board import Runner
from edgeq.pipeline.build_for import REAL
from edgeq.pipeline.deploy import DEFAULT_BOARD
from edgeq.pipeline.engines import CHOICES, Choice, runner_for
from edgeq.pipeline.prepare import Prepared, from_npz, load_tflite, model_image, random_inputs
from edgeq.pipeline.progress import Progress
from edgeq.pipeline.run_folder import (
    APP,
    INPUTS,
    LOCK,
    MODEL_IMAGE,
    MODEL_ONNX,
    MODEL_PLAN,
    MODEL_TFLITE,
    TORCH_TRACE,
    RunFolder,
    read_file,
)
from edgeq.pipeline.source import Source
from edgeq.pipeline.tflm_arena import tflm_arena
from edgeq.plan import build_plan, encode_plan
from edgeq.report.model import Hop

MOST_INPUTS = 10_000


def verify_run(path: Path, progress: Progress) -> tuple[Hop, ...]:
    """All hops of a finished run, from its files alone; the board is booted from what the run flashed."""
    progress.step("read the run")
    run = RunFolder.open(path)
    facts = json.loads(run.read(LOCK))
    board, runner = load_board(str(facts.get("board"))), _runner(str(facts.get("runner")))
    engine = _engine(str(facts.get("engine", "native")))
    prepared = _prepared(run, str(facts.get("model")), board)
    progress.step("verify")
    ledger = hops.software_hops(prepared, progress)
    if runner != "host":
        ledger.append(hops.host_hop(prepared, board, progress))
    if runner is None:
        ledger.append(not_run("board", "the run is a real board's, and its files are all that was asked for"))
    else:
        ledger += _board(prepared, board, runner, engine, run.read(APP), progress)
    return hops.to_report(ledger)


def verify_file(
    path: Path, *, inputs: int, seed: int, board_name: str = DEFAULT_BOARD, runner: Runner | None = None,
    engine: Choice = "native", progress: Progress,
) -> tuple[Hop, ...]:  # fmt: skip
    """The integer hops of a bare `.tflite` on seeded random inputs."""
    if not 1 <= inputs <= MOST_INPUTS:
        raise BadInput(f"{inputs} inputs; 1 to {MOST_INPUTS} are possible")
    progress.step("read and plan")
    board = load_board(board_name)
    data, source = read_file(path), Source("tflite", str(path), path.stem)
    with source.errors():
        model = load_tflite(data, source.name)
    plan = build_plan(model.graph, model.file, boards.target_of(board))
    samples = random_inputs(model.graph, inputs, seed)
    reference = ops.run(model.graph, {model.graph.inputs[0]: samples})
    golden = {name: values[:1] for name, values in reference.items()}
    arena = tflm_arena(model.tflite, board.chip.name) if engine != "native" else None
    image = model_image(model, plan, samples[:1], golden, arena=arena)
    prepared = Prepared(model, plan, image, samples, reference, tflm_arena=arena)
    boards.check_fits(board, plan.arena_bytes, plan.scratch_bytes)
    runner = runner_for(engine, runner, progress)
    with tempfile.TemporaryDirectory(prefix="edgeq-verify-") as folder:
        progress.step("build firmware")
        app = boards.build(runner, board, Path(folder), progress).app_image
        progress.step("verify")
        ledger = [hop for hop in hops.software_hops(prepared, progress) if hop.name in ("litert", "tflm")]
        if runner != "host":
            ledger.append(hops.host_hop(prepared, board, progress))
        ledger += _board(prepared, board, runner, engine, app, progress)
    return hops.to_report(ledger)


def require_equal(ledger: tuple[Hop, ...]) -> None:
    """CheckFailed where a hop differs, naming the first tensor."""
    for hop in ledger:
        if hop.status == "differs":
            first = hop.first_difference
            at = f"; the first tensor that differs is {first.tensor} at {list(first.index or ())}" if first else ""
            raise CheckFailed(f"the hop {hop.name} differs{at}", hint="docs/numerics.md has the rules")


def _board(
    prepared: Prepared, board: Board, runner: Runner, engine: Choice, app: bytes, progress: Progress
) -> list[HopResult]:
    contents = boards.flash_contents(board, app, prepared.image)
    with boards.virtual_board(runner, board, contents) as virtual, boards.session(virtual.url) as talk:
        return hops.board_hops(talk, prepared, engine, progress)


def _engine(name: str) -> Choice:
    for choice in CHOICES:
        if name == choice:
            return choice
    raise BadInput(f"the run names an unknown engine, {name!r}", where=LOCK)


def _runner(name: str) -> Runner | None:
    """None for a real board."""
    if name == REAL:
        return None
    if name == "host":
        return "host"
    if name == "qemu_lx6":
        return "qemu_lx6"
    raise BadInput(f"the run names an unknown runner, {name!r}", where=LOCK)


def _prepared(run: RunFolder, name: str, board: Board) -> Prepared:
    """What `prepare` made, read back, and checked that its files belong together."""
    onnx = run.read(MODEL_ONNX) if run.has(MODEL_ONNX) else None
    model = load_tflite(run.read(MODEL_TFLITE), name, onnx=onnx)
    plan = build_plan(model.graph, model.file, boards.target_of(board))
    image = run.read(MODEL_IMAGE)
    held = read_model_image(image, MODEL_IMAGE)
    if held.tflite != model.tflite or held.plan != run.read(MODEL_PLAN) or held.plan != encode_plan(plan):
        raise CheckFailed(
            "model, plan and image do not belong together", where=str(run.path), hint="run `edgeq deploy` again"
        )
    arrays = from_npz(run.read(INPUTS), INPUTS)
    if "int8_nhwc" not in arrays or arrays["int8_nhwc"].dtype != np.int8:
        raise BadInput("has no int8 inputs", where=INPUTS)
    inputs = arrays["int8_nhwc"].astype(np.int8)
    floats = arrays.get("float_nchw")
    trace = from_npz(run.read(TORCH_TRACE), TORCH_TRACE) if run.has(TORCH_TRACE) else {}
    return Prepared(
        model, plan, image, inputs, ops.run(model.graph, {model.graph.inputs[0]: inputs}), held.labels,
        None if floats is None else floats.astype(np.float32),
        torch_trace={n: v.astype(np.int8) for n, v in trace.items()},
    )  # fmt: skip
