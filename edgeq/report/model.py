"""The report as Python values: the fields of `schema.json`, checked when built.

Version 1 is only ever extended: fields may be added, none is renamed or removed. Units stand in the names or in
`latency.unit`; shares are of one; shapes are NHWC.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edgeq.report.part import Count, Part, Share, Text, Value
from edgeq.report.quantisation import Moved, Quantisation

Status = Literal["equal", "within", "differs", "not run"]


class ModelFacts(Part):
    """The network: `input` NHWC, multiply-accumulates and parameters as counts, SHA-256 of the `.tflite`."""

    name: Text
    input: tuple[Annotated[int, Field(gt=0)], ...]
    macs: Count
    params: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BoardFacts(Part):
    """What ran it. The capacities, where given, are what the sizes are drawn against.

    `clock_hz` is the core's, null where a clock has no meaning; `model_slot_bytes` is a slot's for a model image.
    """

    name: Text
    kind: Literal["emulated", "host", "real"]
    flash_bytes: Count | None = None
    arena_bytes: Count | None = None
    scratch_bytes: Count | None = None
    model_slot_bytes: Count | None = None
    clock_hz: Count | None = None


class Firmware(Part):
    """What the board says of its firmware; `facts` is what else it says, by the keys of docs/link-protocol.md."""

    version: Text
    port: Text = ""
    engines: tuple[Text, ...] = ()
    facts: dict[Text, Text] = Field(default_factory=dict)


class Accuracy(Part):
    """Top-1 as a share of one on `samples` held-out samples, before and after quantisation.

    `int8_top1` is by integer arithmetic, `qdq_top1` the same network simulated in float, where it was. `moved` tells
    the samples that the integer network takes for another class than the float one.
    """

    float_top1: Share
    int8_top1: Share
    samples: Annotated[int, Field(gt=0)]
    qdq_top1: Share | None = None
    moved: tuple[Moved, ...] = ()


class Sizes(Part):
    """Bytes: the `.tflite`, the arena and scratch in use, the model image and the application image in flash.

    `tflm_arena_bytes` is the smallest arena of TFLite Micro's interpreter on this machine, `tflm_arena_bound_bytes` an
    upper bound for the board's chip; null where the interpreter is not installed or refuses the model.
    """

    tflite_bytes: Count
    arena_bytes: Count
    scratch_bytes: Count
    image_bytes: Count
    firmware_bytes: Count
    tflm_arena_bytes: Count | None = None
    tflm_arena_bound_bytes: Count | None = None


class Flash(Part):
    """What esptool wrote: bytes, seconds, and whether it read back equal."""

    bytes: Count
    seconds: Annotated[float, Field(ge=0)]
    verified: bool


class Difference(Part):
    """The first value that differs: tensor, index in it, what was expected and what came (null if unknown)."""

    tensor: Text
    index: tuple[Count, ...] | None = None
    expected: int | None = None
    got: int | None = None


class Hop(Part):
    """One comparison of the ledger, of `tensors` tensors on `inputs` inputs.

    `equal` is true only where every byte was compared and equal; `max_lsb` is the largest difference in units of
    the last place, null where none was computed; `allowed_lsb` is the bound that makes a difference `within`.
    """

    name: Text
    equal: bool
    tensors: Count
    max_lsb: Count | None = None
    status: Status
    allowed_lsb: Count = 0
    inputs: Count = 0
    first_difference: Difference | None = None
    note: Text = ""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.equal != (self.status == "equal"):
            raise ValueError(f"hop {self.name!r}: equal is {self.equal}, status is {self.status!r}")
        if self.equal and (self.max_lsb or not self.tensors):
            raise ValueError(f"hop {self.name!r} is equal with {self.tensors} tensors, max_lsb {self.max_lsb}")
        if self.status == "within" and self.max_lsb is not None and self.max_lsb > self.allowed_lsb:
            raise ValueError(f"hop {self.name!r} is within {self.allowed_lsb} LSB with {self.max_lsb}")
        return self


class Ledger(Part):
    """The equality ledger: every hop in the order of the pipeline."""

    hops: tuple[Hop, ...]


class Layer(Part):
    """One step's share of a run, in the latency's unit: `value` is the median, by nearest rank, of `values`.

    `values` are those of the profiled runs in order, where kept.
    """

    name: Text
    op: Text
    value: Value
    macs: Count
    kernel: Text = ""
    values: tuple[Value, ...] = ()


class Latency(Part):
    """One inference over `n` runs, in `unit`; percentiles by nearest rank.

    `values` are the single runs in order, where kept. `source` names the model behind a modelled latency and
    `error_share` its error band, as a share of one.
    """

    basis: Literal["measured", "emulated", "modelled", "host"]
    unit: Literal["instructions", "cycles", "ns", "us", "ms"]
    n: Annotated[int, Field(gt=0)]
    p50: Value
    p90: Value
    p99: Value
    min: Value
    max: Value
    mean: Value
    layers: tuple[Layer, ...] = ()
    values: tuple[Value, ...] = ()
    source: Text = ""
    error_share: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _says_what_it_rests_on(self) -> Self:
        require_its_unit(self.basis, self.unit)
        if self.basis == "modelled" and not (self.source and self.error_share is not None):
            raise ValueError("a modelled latency needs its source and its error_share")
        if not self.min <= self.p50 <= self.p90 <= self.p99 <= self.max:
            raise ValueError("min, p50, p90, p99, max do not ascend")
        if not self.min <= self.mean <= self.max:
            raise ValueError("mean is outside min..max")
        return self


class EngineRun(Part):
    """One of several engines that ran on the same board: what it is built with, what it took, how fast it was."""

    engine: Text
    version: Text = ""
    arena_bytes: Count
    scratch_bytes: Count = 0
    latency: Latency


class ArenaStep(Part):
    """Bytes of the native engine's arena that hold something while a step runs.

    `read_bytes` is what the step reads, `written_bytes` what it writes beside that; the rest of `live_bytes` waits.
    """

    name: Text
    live_bytes: Count
    read_bytes: Count = 0
    written_bytes: Count = 0

    @model_validator(mode="after")
    def _is_a_sum(self) -> Self:
        if self.read_bytes + self.written_bytes > self.live_bytes:
            raise ValueError(f"step {self.name!r} reads and writes more than the {self.live_bytes} bytes that live")
        return self


class FlashPart(Part):
    """`bytes` of the flash from `offset`, and how many of them the run wrote."""

    name: Text
    offset: Count
    bytes: Count
    used_bytes: Count

    @model_validator(mode="after")
    def _holds_what_is_used(self) -> Self:
        if self.used_bytes > self.bytes:
            raise ValueError(f"{self.name!r} has {self.bytes} bytes, of which {self.used_bytes} are used")
        return self


class Sqnr(Part):
    """Signal to quantisation noise of one tensor in dB; null where there is no noise."""

    name: Text
    db: float | None


class Report(Part):
    """All that a run found out. `accuracy` is null for a bare `.tflite`, `flash` where nothing was flashed.

    `engine` and `latency` are the first engine's; `engines` holds all of them where there was more than one.
    `quantisation` is there where the run quantised. `flash_map` is in the order of the offsets. `warnings` are what the
    run warned of, each a sentence.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    model: ModelFacts
    board: BoardFacts
    engine: Text
    accuracy: Accuracy | None
    sizes: Sizes
    flash: Flash | None
    ledger: Ledger
    latency: Latency
    engine_version: Text = ""
    engines: tuple[EngineRun, ...] = ()
    sqnr: tuple[Sqnr, ...] = ()
    quantisation: Quantisation | None = None
    command: Text = ""
    versions: dict[Text, Text] = Field(default_factory=dict)
    firmware: Firmware | None = None
    arena_steps: tuple[ArenaStep, ...] = ()
    flash_map: tuple[FlashPart, ...] = ()
    warnings: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _rests_on_its_board(self) -> Self:
        require_its_board(self.board, (self.latency, *(run.latency for run in self.engines)))
        return self

    @model_validator(mode="after")
    def _engines_differ(self) -> Self:
        names = [run.engine for run in self.engines]
        if names and (names[0] != self.engine or len(names) == 1):
            raise ValueError(f"engine is {self.engine!r}, engines are {names}")
        require_unlike(self.engines)
        return self


def require_its_unit(basis: str, unit: str) -> None:
    """ValueError where what is so known has no such unit: instructions are counted on an emulated core alone."""
    if (basis == "emulated") != (unit == "instructions"):
        raise ValueError(f"a latency that is {basis} cannot be in {unit}")


def require_its_board(board: BoardFacts, latencies: tuple[Latency, ...]) -> None:
    """ValueError where that kind of board cannot give such a latency."""
    kinds = {"measured": "real", "emulated": "emulated", "host": "host"}
    for latency in latencies:
        if kinds.get(latency.basis, board.kind) != board.kind:
            raise ValueError(f"a {board.kind} board cannot give a latency that is {latency.basis}")


def require_unlike(engines: tuple[EngineRun, ...]) -> None:
    """ValueError where two engines have one name, or their latencies different units."""
    names = [run.engine for run in engines]
    if len(set(names)) != len(names):
        raise ValueError(f"an engine stands twice in {names}")
    if len({run.latency.unit for run in engines}) > 1:
        raise ValueError("the engines' latencies are in different units")


def to_json(report: Part) -> str:
    """The text of `report.json`, or of a bench's: indented, fields in the schema's order, a line at the end."""
    fields = report.model_dump(mode="json", by_alias=True)
    return json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
