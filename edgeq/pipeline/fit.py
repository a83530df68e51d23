"""`edgeq fit`: whether a model fits a board, before anything is built or flashed, and what to change if it does not.

Latency is not estimated here: only a bound is given that no program can beat.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from edgeq.boards.board import Board, boards, load_board
from edgeq.boards.placement import Placement, place_arena
from edgeq.errors import BadInput, DoesNotFit
from edgeq.images.layout import APP_LEAST_BYTES, largest_image, layout_for
from edgeq.images.model import ModelImage, read_model_image, write_model_image
from edgeq.images.partitions import SUBTYPE_FACTORY, TYPE_APP
from edgeq.pipeline.board import target_of
from edgeq.pipeline.prepare import GOLDEN_SAMPLES, Converted, convert, load_tflite
from edgeq.pipeline.run_folder import APP, LOCK, MODEL_IMAGE, RunFolder, read_file
from edgeq.pipeline.source import resolve
from edgeq.pipeline.tflm_arena import tflm_arena
from edgeq.plan import Plan, build_plan, encode_plan

_MAPPINGS = 4  # that the firmware keeps open at a time, at most


@dataclass(frozen=True)
class Needs:
    """What a model takes, in bytes, wherever it runs. `app_bytes` is 0 where no firmware is built yet, `app_of` says
    what it was built for.

    `largest_step` names the step with the most bytes of activations at once, `step_bytes`; `mapped_bytes` is what the
    native engine maps at once at most: the plan and the weights of one step.
    """

    name: str
    macs: int
    tflite_bytes: int
    image_bytes: int
    app_bytes: int
    app_of: str
    arena_bytes: int
    scratch_bytes: int
    largest_step: str
    step_bytes: int
    mapped_bytes: int


@dataclass(frozen=True)
class Use:
    """`bytes` of a `capacity`, and a remark. `bound`: no more than `bytes`."""

    what: str
    bytes: int
    capacity: int
    remark: str = ""
    bound: bool = False

    @property
    def fits(self) -> bool:
        return self.bytes <= self.capacity


@dataclass(frozen=True)
class EngineFit:
    """What one engine takes of the board: `arena` is None where that is not known, `problem` empty where it runs."""

    engine: str
    arena: Use | None
    placement: Placement | None
    window: Use
    problem: str


@dataclass(frozen=True)
class Fit:
    """The answer for one model on one board: it fits if the native engine runs it. `slots` is 0 if flash is too small.

    `bound_s` is the time that `macs` take on one core if each cycle did all the multiply-accumulates that it can.
    """

    needs: Needs
    board: Board
    flash: tuple[Use, ...]
    slots: int
    scratch: Use
    engines: tuple[EngineFit, ...]
    bound_s: float
    problems: tuple[str, ...]
    advice: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return not self.problems


def fit(what: str, board_name: str) -> Fit:
    """Whether an int8 `.tflite`, a QDQ ONNX file or the folder of a finished run fits a board.

    Raises BadInput for anything else, and as converting and planning do.
    """
    board = load_board(board_name)
    model, needs = _read(what, board)
    arena = tflm_arena(model.tflite, board.chip.name)
    found = assess(needs, board, arena.chip_bytes if arena else None)
    if found.fits:
        return found
    others = [b.name for b in boards() if assess(needs_of(model, b, needs.image_bytes), b, None).fits]
    return _with_advice(found, others)


def _read(what: str, board: Board) -> tuple[Converted, Needs]:
    if Path(what).is_dir() and not (Path(what) / "model.toml").is_file():
        return _read_run(RunFolder.open(Path(what)), board)
    source = resolve(what)
    if source.kind == "torch":
        raise BadInput(
            "a torch model has to be quantised first", where=what,
            hint="`edgeq quantize` makes the .onnx, `edgeq deploy` a run: fit takes either",
        )  # fmt: skip
    data = read_file(Path(source.path))
    with source.errors():
        model = (convert if source.kind == "onnx" else load_tflite)(data, source.name)
    return model, needs_of(model, board)


def _read_run(run: RunFolder, board: Board) -> tuple[Converted, Needs]:
    image = run.read(MODEL_IMAGE)
    held = read_model_image(image, MODEL_IMAGE)
    model = load_tflite(held.tflite, held.name)
    lock = json.loads(run.read(LOCK))
    if lock.get("board") != board.name:
        return model, needs_of(model, board, len(image))
    return model, needs_of(model, board, len(image), len(run.read(APP)), str(lock.get("runner")))


def needs_of(
    model: Converted, board: Board, image_bytes: int | None = None, app_bytes: int = 0, app_of: str = ""
) -> Needs:
    """What a model takes of that board. Without an image, that of one with golden samples and no labels."""
    plan = build_plan(model.graph, model.file, target_of(board))
    encoded = encode_plan(plan)
    if image_bytes is None:
        sample = plan.tensors[plan.input].bytes + plan.tensors[plan.output].bytes
        image_bytes = len(
            write_model_image(ModelImage(model.name, encoded, model.tflite, bytes(GOLDEN_SAMPLES * sample)))
        )
    step_bytes, largest = max((_step_bytes(plan, i), -i) for i in range(len(plan.steps)))
    constants = [
        sum(t.bytes for t in map(model.graph.tensor, filter(None, node.inputs)) if t.is_constant)
        for node in model.graph.nodes
    ]
    return Needs(
        name=model.name,
        macs=sum(step.macs for step in plan.steps),
        tflite_bytes=len(model.tflite),
        image_bytes=image_bytes,
        app_bytes=app_bytes,
        app_of=app_of,
        arena_bytes=plan.arena_bytes,
        scratch_bytes=plan.scratch_bytes,
        largest_step=plan.steps[-largest].name,
        step_bytes=step_bytes,
        mapped_bytes=len(encoded) + max(constants, default=0),
    )


def _step_bytes(plan: Plan, index: int) -> int:
    """Bytes of a step's inputs and output in the arena, a shared buffer counted once."""
    tensors = [plan.tensors[t] for t in (*plan.steps[index].inputs, plan.steps[index].output)]
    held = {t.offset: t.bytes for t in tensors if not t.constant}
    return sum(held.values())


def assess(needs: Needs, board: Board, tflm_arena_bytes: int | None) -> Fit:
    """The pure part of `fit`, without advice. `tflm_arena_bytes`: an upper bound for that chip, None if not known."""
    problems: list[str] = []
    try:
        table = layout_for(board.flash_bytes, needs.image_bytes, needs.app_bytes)
    except DoesNotFit as e:
        problems.append(e.what)
        slots, slot_bytes, app_room = 0, largest_image(board.flash_bytes, needs.app_bytes), APP_LEAST_BYTES
    else:
        slots, slot_bytes = len(table.model_slots), table.model_slots[0].size
        app_room = next(p.size for p in table.partitions if (p.type, p.subtype) == (TYPE_APP, SUBTYPE_FACTORY))
    native = _engine("native", board, needs, needs.arena_bytes, needs.mapped_bytes)
    tflm = _engine("tflm", board, needs, tflm_arena_bytes, needs.tflite_bytes)
    if native.problem:
        problems.append(f"the native engine {native.problem}")
    image = Use("model image", needs.image_bytes, slot_bytes, ("too small", "one slot", "one of two slots")[slots])
    app = (Use("firmware", needs.app_bytes, app_room, f"as built for {needs.app_of}"),) if needs.app_bytes else ()
    return Fit(
        needs=needs,
        board=board,
        flash=(*app, image),
        slots=slots,
        scratch=Use("scratch", needs.scratch_bytes, board.scratch_bytes, "internal RAM"),
        engines=(native, tflm),
        bound_s=needs.macs / board.chip.macs_per_cycle / board.clock_hz,
        problems=tuple(problems),
    )


def _engine(engine: str, board: Board, needs: Needs, arena_bytes: int | None, mapped_bytes: int) -> EngineFit:
    page = board.chip.data_window_page_bytes
    # Each mapping may begin and end inside a page.
    window = Use("mapped at once", (-(-mapped_bytes // page) + _MAPPINGS) * page, window_bytes(board))
    problem = ""
    if not window.fits:
        problem = f"maps {window.bytes:,} bytes of flash at once, the chip's window has {window.capacity:,} for it"
    if arena_bytes is None:
        return EngineFit(engine, None, None, window, problem)
    # The firmware keeps all the scratch it offers, so that it runs the next model too.
    placement = place_arena(board, arena_bytes, max(needs.scratch_bytes, board.scratch_bytes))
    where = {"internal": "internal RAM", "psram": "PSRAM", "nowhere": "nowhere"}
    arena = Use("arena", arena_bytes, placement.capacity, where[placement.where], bound=engine == "tflm")
    if placement.where == "nowhere":
        problem = problem or f"takes an arena of {arena_bytes:,} bytes: {placement.why}"
    return EngineFit(engine, arena, placement, window, problem)


def window_bytes(board: Board) -> int:
    """What the chip's data window has for a model, beside the firmware's own and PSRAM where that shares it."""
    chip = board.chip
    return chip.data_window_bytes - chip.firmware_window_bytes - (board.psram_bytes if chip.psram_in_data_window else 0)


def _with_advice(found: Fit, others: list[str]) -> Fit:
    """What to change: another board, or by how much the model has to shrink."""
    advice = []
    if others:
        advice.append(f"a board that holds it: {', '.join(others)}")
    image, arena = found.flash[-1], found.engines[0].arena
    if not image.fits:
        advice.append(f"a model image smaller by {_less(image)}: a narrower network has fewer weights")
    if arena is not None and not arena.fits:
        advice.append(
            f"an arena smaller by {_less(arena)}: a smaller input or a narrower network; "
            f"the most is at {found.needs.largest_step}, {found.needs.step_bytes:,} bytes"
        )
    return replace(found, advice=tuple(advice))


def _less(use: Use) -> str:
    return f"{use.bytes - use.capacity:,} bytes ({100 * (1 - use.capacity / use.bytes):.0f} %)"
