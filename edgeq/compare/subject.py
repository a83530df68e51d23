"""What is compared: of a run, the figures that a gate knows."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.report.bench import BenchReport, Equality
from edgeq.report.model import Accuracy, EngineRun, Hop, Report


@dataclass(frozen=True)
class Subject:
    """One side of a comparison. None, or an empty tuple of hops, is what this run does not tell.

    `input` is NHWC, `image_bytes` and `firmware_bytes` are model image and application in flash; each engine has its
    own latency, arena and scratch; `clock_hz` is the core's.
    """

    model: str
    input: tuple[int, ...]
    board: str
    kind: str
    engines: tuple[EngineRun, ...]
    clock_hz: int | None = None
    image_bytes: int | None = None
    firmware_bytes: int | None = None
    accuracy: Accuracy | None = None
    hops: tuple[Hop, ...] = ()


def subject_of(report: Report | BenchReport) -> Subject:
    """The figures of a run's report, or of what `edgeq bench` measured."""
    return _of_bench(report) if isinstance(report, BenchReport) else _of_run(report)


def _of_run(report: Report) -> Subject:
    sizes = report.sizes
    alone = EngineRun(
        engine=report.engine, version=report.engine_version, latency=report.latency,
        arena_bytes=sizes.arena_bytes, scratch_bytes=sizes.scratch_bytes,
    )  # fmt: skip
    return Subject(
        model=report.model.name,
        input=report.model.input,
        board=report.board.name,
        kind=report.board.kind,
        engines=report.engines or (alone,),
        clock_hz=report.board.clock_hz,
        image_bytes=sizes.image_bytes,
        firmware_bytes=sizes.firmware_bytes,
        accuracy=report.accuracy,
        hops=report.ledger.hops,
    )


def _of_bench(report: BenchReport) -> Subject:
    return Subject(
        model=report.model.name,
        input=report.model.input,
        board=report.board.name,
        kind=report.board.kind,
        engines=report.engines,
        clock_hz=report.board.clock_hz,
        image_bytes=report.model.image_bytes or None,
        hops=tuple(_golden(found) for found in report.equality if found.count),
    )


def _golden(found: Equality) -> Hop:
    """The golden samples on the board, as the hop of a ledger that they are: one tensor, the output, on each."""
    equal = found.equal == found.count
    return Hop(
        name=f"golden samples, {found.engine}", equal=equal, status="equal" if equal else "differs",
        tensors=1, inputs=found.count, note="" if equal else f"{found.count - found.equal} of {found.count} differ",
    )  # fmt: skip
