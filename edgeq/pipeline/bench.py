"""The latency of the model in a board's flash, read over its serial console."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Literal

from pydantic import ValidationError

from edgeq import __version__, ops
from edgeq.bench.statistics import percentile, summarize
from edgeq.errors import BadInput, BoardTrouble
from edgeq.link.messages import RunFlag, StepInfo
from edgeq.link.session import Session
from edgeq.pipeline.board import require_model
from edgeq.pipeline.engines import Choice, choose, engines_of
from edgeq.pipeline.facts import board_facts, firmware_facts
from edgeq.pipeline.progress import Progress
from edgeq.plan.kernels import kernels
from edgeq.report.bench import BenchModel, BenchReport, Equality
from edgeq.report.model import EngineRun, Latency, Layer

MOST_RUNS = 100_000
MOST_PROFILES = 100  # so that a gate can hold layers (docs/compare.md); their ticks go over the link for each run
MOST_COMPARED = 256  # golden samples; edgeq's own images have 16
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


def bench(talk: Session, choice: Choice | None, runs: int, progress: Progress, command: str = "") -> BenchReport:
    """The latency of each engine, its golden samples compared by the board, and what the board says of itself."""
    engines, equality = [], []
    check_runs(runs)
    for found in _engines(talk, choice):
        progress.step(f"measure {found}")
        engines.append(_engine_run(talk, runs, progress))
        progress.step(f"compare {found}'s golden samples")
        equality.append(_equality(talk, found, progress))
    info, model = talk.info(), talk.model()
    with _believed():
        return BenchReport(
            model=BenchModel(
                name=model.name,
                input=model.input.dims,
                macs=sum(layer.macs for layer in engines[0].latency.layers),
                image_bytes=model.image_bytes,
                image_sha256=model.image_sha256,
            ),
            board=board_facts(info),
            engines=tuple(engines),
            equality=tuple(equality),
            firmware=firmware_facts(info),
            versions={"edgeq": __version__, "python": platform.python_version()},
            command=command,
        )


def measure_engines(talk: Session, choice: Choice, runs: int, progress: Progress) -> tuple[EngineRun, ...]:
    """The latency of each engine of the board, one after the other on the same samples."""
    check_runs(runs)
    return tuple(_engine_run(talk, runs, progress) for _ in _engines(talk, choice))


def _engines(talk: Session, choice: Choice | None) -> Iterator[str]:
    """Has the board open its model with each engine in turn, and names it; None: with the one in use."""
    for wanted in engines_of(choice) if choice else (None,):
        if wanted:
            choose(talk, wanted)
        require_model(talk)
        yield talk.info().get("engine", "native")


def _engine_run(talk: Session, runs: int, progress: Progress) -> EngineRun:
    info, model = talk.info(), talk.model()
    latency = measure(talk, runs, progress)
    with _believed():
        return EngineRun(
            engine=info.get("engine", "native"),
            version=info.get("engine_version", ""),
            arena_bytes=model.arena_used_bytes,
            scratch_bytes=model.scratch_bytes,
            latency=latency,
        )


def measure(talk: Session, runs: int, progress: Progress) -> Latency:
    """`runs` inferences over the golden samples in turn, the first of them with a profile of their steps.

    A step's ticks are a part of its run's, so that profiling costs none. Counts are exact: one profile is enough.
    """
    info, model, steps = talk.info(), talk.model(), talk.steps()
    basis, unit = clock_of(info)
    profiled = 1 if basis == "emulated" else min(runs, MOST_PROFILES)
    values, profiles = [], []
    for i in range(runs):
        _load(talk, i, model.goldens, model.input.bytes)
        values.append(talk.run(RunFlag.PROFILE if i < profiled else RunFlag.NONE))
        if i < profiled:
            profiles.append(_profile(talk, len(steps)))
        progress.update((i + 1) / runs, f"run {i + 1} of {runs}")
    names = {kernel.id: kernel.name for kernel in kernels().values()}
    layers = tuple(_layer(step, ticks, names) for step, ticks in zip(steps, zip(*profiles, strict=True), strict=True))
    with _believed():
        return Latency(basis=basis, unit=unit, values=tuple(values), layers=layers, **asdict(summarize(values)))


def _equality(talk: Session, engine: str, progress: Progress) -> Equality:
    goldens, equal = min(talk.model().goldens, MOST_COMPARED), 0
    for i in range(goldens):
        equal += talk.selftest(i).equal
        progress.update((i + 1) / goldens, f"sample {i + 1} of {goldens}")
    return Equality(engine=engine, count=goldens, equal=equal)


@contextlib.contextmanager
def _believed() -> Iterator[None]:
    """BoardTrouble where what a board says contradicts itself, or is no count."""
    try:
        yield
    except ValidationError as e:
        why = e.errors(include_url=False, include_context=False)[0]["msg"]
        raise BoardTrouble(f"the board says what cannot be: {why}", hint="flash the firmware again") from e


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


def _layer(step: StepInfo, ticks: Sequence[int], kernel_names: dict[int, str]) -> Layer:
    operator = ops.BY_CODE.get(step.op)
    with _believed():
        return Layer(
            name=step.name,
            op=operator.name if operator else f"operator {step.op}",
            value=percentile(ticks, 50),
            macs=step.macs,
            kernel=kernel_names.get(step.kernel, f"kernel {step.kernel}" if step.kernel else ""),
            values=tuple(ticks),
        )
