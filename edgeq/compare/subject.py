"""What is compared: of a run, the figures that a gate knows."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.report.model import Accuracy, EngineRun, Hop, Report


@dataclass(frozen=True)
class Subject:
    """One side of a comparison. None, or an empty tuple of hops, is what this run does not tell.

    `input` is NHWC, `image_bytes` and `firmware_bytes` are model image and application in flash; each engine has its
    own latency, arena and scratch.
    """

    model: str
    input: tuple[int, ...]
    board: str
    kind: str
    engines: tuple[EngineRun, ...]
    image_bytes: int | None = None
    firmware_bytes: int | None = None
    accuracy: Accuracy | None = None
    hops: tuple[Hop, ...] = ()


def subject_of(report: Report) -> Subject:
    """The figures of a run's report."""
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
        image_bytes=sizes.image_bytes,
        firmware_bytes=sizes.firmware_bytes,
        accuracy=report.accuracy,
        hops=report.ledger.hops,
    )
