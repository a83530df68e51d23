"""The latency of the model in a board's flash, read over its serial console."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from edgeq import ops
from edgeq.bench.statistics import summarize
from edgeq.errors import BadInput, BoardTrouble
from edgeq.link.messages import RunFlag, StepInfo
from edgeq.link.session import Session
from edgeq.pipeline.board import require_model
from edgeq.pipeline.engines import Choice, choose, engines_of
from edgeq.pipeline.progress import Progress
from edgeq.plan.kernels import kernels
from edgeq.report.model import EngineRun, Latency, Layer

MOST_RUNS = 100_000
Basis = Literal["emulated", "host", "measured"]
Unit = Literal["instructions", "cycles", "ns", "us"]
_BASIS: dict[str, Basis] = {
    "emulated": "emulated",
    "host": "host",
    "real": "measured",
}
_UNITS: dict[str, Unit] = {
    "instructions": "instructions",
    "cycles": "cycles",
    "ns": "ns",
    "us": "us",
}


def check_runs(runs: int) -> None:
    """BadInput where so many inferences cannot be measured."""
    if not 1 <= runs <= MOST_RUNS:
        raise BadInput(f"{runs} runs; 1 to {MOST_RUNS} are possible", hint="--runs 10")


def measure(talk: Session, runs: int, progress: Progress) -> Latency:
    """`runs` inferences over the golden samples in turn, then one with a profile of its steps on the first sample."""
    check_runs(runs)
    require_model(talk)
    info, model, steps = talk.info(), talk.model(), talk.steps()
    values = []
    for i in range(runs):
        _load(talk, i, model.goldens, model.input.bytes)
        values.append(talk.run())
        progress.update((i + 1) / (runs + 1), f"run {i + 1} of {runs}")
    _load(talk, 0, model.goldens, model.input.bytes)
    talk.run(RunFlag.PROFILE)
    layers = tuple(_layer(step, ticks) for step, ticks in zip(steps, _profile(talk, len(steps)), strict=True))
    progress.update(1.0)
    basis, unit = clock_of(info)
    return Latency(basis=basis, unit=unit, values=tuple(values), layers=layers, **asdict(summarize(values)))


def measure_engines(talk: Session, choice: Choice | None, runs: int, progress: Progress) -> tuple[EngineRun, ...]:
    """The latency of each engine of the board, one after the other on the same samples; None: of the one in use."""
    measured = []
    for wanted in engines_of(choice) if choice else (None,):
        if wanted:
            choose(talk, wanted)
        require_model(talk)
        info, model = talk.info(), talk.model()
        engine, version = info.get("engine", "native"), info.get("engine_version", "")
        measured.append(
            EngineRun(
                engine=engine,
                version=version,
                arena_bytes=model.arena_used_bytes,
                scratch_bytes=model.scratch_bytes,
                latency=measure(talk, runs, progress),
            )
        )
    return tuple(measured)


def clock_of(info: dict[str, str]) -> tuple[Basis, Unit]:
    """What a board's latencies rest on, and their unit."""
    try:
        return _BASIS[info["kind"]], _UNITS[info["clock_unit"]]
    except KeyError as e:
        raise BoardTrouble(f"the board says neither its kind nor its unit of time ({e})", hint="flash it again") from e


def _load(talk: Session, index: int, goldens: int, input_bytes: int) -> None:
    """A run uses its input up, so each gets one anew: a golden sample, or zeros where the image has none."""
    if goldens:
        talk.load_golden(index % goldens)
    else:
        talk.write_input(bytes(input_bytes))


def _profile(talk: Session, steps: int) -> list[int]:
    ticks = talk.profile()
    if len(ticks) != steps:
        raise BoardTrouble(f"the board profiled {len(ticks)} steps of {steps}", hint="flash the firmware again")
    return ticks


def _layer(step: StepInfo, ticks: int) -> Layer:
    operator = ops.BY_CODE.get(step.op)
    names = {kernel.id: kernel.name for kernel in kernels().values()}
    return Layer(
        name=step.name,
        op=operator.name if operator else f"operator {step.op}",
        value=ticks,
        macs=step.macs,
        kernel=names.get(step.kernel, f"kernel {step.kernel}" if step.kernel else ""),
    )
