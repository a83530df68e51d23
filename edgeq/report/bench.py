"""What `edgeq bench` finds out of a board alone, as Python values: the fields of `bench-schema.json`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edgeq.report.model import BoardFacts, EngineRun, Firmware, require_its_board, require_unlike
from edgeq.report.part import Count, Part, Text


class BenchModel(Part):
    """What a board knows of the model in its flash: `input` NHWC, multiply-accumulates as a count, its image."""

    name: Text
    input: tuple[Annotated[int, Field(gt=0)], ...]
    macs: Count
    image_bytes: Count = 0
    image_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


class Equality(Part):
    """How many of the `count` golden samples the board found `equal` to the byte, with that engine."""

    engine: Text
    count: Count
    equal: Count

    @model_validator(mode="after")
    def _is_a_share(self) -> Self:
        if self.equal > self.count:
            raise ValueError(f"{self.equal} of {self.count} golden samples are equal")
        return self


class BenchReport(Part):
    """The latency of a board's model with each engine that was asked for, and what the board says of itself."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    kind: Literal["bench"] = "bench"
    model: BenchModel
    board: BoardFacts
    engines: Annotated[tuple[EngineRun, ...], Field(min_length=1)]
    equality: tuple[Equality, ...] = ()
    firmware: Firmware | None = None
    versions: dict[Text, Text] = Field(default_factory=dict)
    command: Text = ""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        require_its_board(self.board, tuple(run.latency for run in self.engines))
        require_unlike(self.engines)
        engines = [run.engine for run in self.engines]
        if strange := [made.engine for made in self.equality if made.engine not in engines]:
            raise ValueError(f"engines are {engines}, samples were compared with {strange}")
        return self
