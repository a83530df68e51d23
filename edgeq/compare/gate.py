"""A gate: what may get worse from one run to the next, and by how much. `docs/compare.md` documents its file."""

from __future__ import annotations

import difflib
import tomllib
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgeq.errors import BadInput
from edgeq.report.wording import printable

Rule = Literal["latency", "layer", "arena", "scratch", "model", "firmware", "accuracy", "equality"]
RULES: tuple[Rule, ...] = get_args(Rule)

MOST_BYTES = 1 << 20
_HINT = "docs/compare.md says what a gate's file holds"

# `inf` is no limit at all.
Percent = Annotated[float, Field(strict=True, ge=0)]


class _Table(BaseModel):
    """A table of the file: nothing in it but its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LatencyLimits(_Table):
    """How much slower: the p50 of an inference, and each layer, in per cent of BASE's; `layers` by a layer's name.

    A layer is held where it has at least `least_share_percent` of the whole, before or after.
    """

    total_percent: Percent = 1.0
    layer_percent: Percent = 1.0
    least_share_percent: Annotated[float, Field(strict=True, ge=0, le=100)] = 0.5
    layers: dict[str, Percent] = Field(default_factory=dict)


class NoiseLimits(_Table):
    """When a latency of a clock (measured, host) counts as changed: see `edgeq.compare.bootstrap`. Those of `host` are
    held if `hold_host`, else shown alone."""

    confidence_percent: Annotated[float, Field(strict=True, ge=50, lt=100)] = 99.0
    least_effect_percent: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 5.0
    least_values: Annotated[int, Field(strict=True, ge=2, le=100_000)] = 10
    hold_host: Annotated[bool, Field(strict=True)] = False


class SizeLimits(_Table):
    """How much larger, in per cent of BASE's: arena and scratch in use, model image and firmware in flash."""

    arena_percent: Percent = 1.0
    scratch_percent: Percent = 1.0
    model_percent: Percent = 1.0
    firmware_percent: Percent = 2.0


class AccuracyLimits(_Table):
    """How many points of INT8 top-1 may be lost; a point is one per cent of the samples."""

    drop_points: Percent = 0.5


class EqualityLimits(_Table):
    """What of the ledger is held: no hop may differ; if `exact`, a hop that was equal must also stay so."""

    exact: Annotated[bool, Field(strict=True)] = False


class Gate(_Table):
    """What is held. `require` names rules that must have been compared; `allow_nothing` lets a gate pass that found
    nothing to compare at all."""

    require: tuple[Rule, ...] = ()
    allow_nothing: Annotated[bool, Field(strict=True)] = False
    latency: LatencyLimits = Field(default_factory=LatencyLimits)
    noise: NoiseLimits = Field(default_factory=NoiseLimits)
    sizes: SizeLimits = Field(default_factory=SizeLimits)
    accuracy: AccuracyLimits = Field(default_factory=AccuracyLimits)
    equality: EqualityLimits = Field(default_factory=EqualityLimits)


def read_gate(text: str, name: str = "gate.toml") -> Gate:
    """The gate in a TOML text. BadInput names the field, and for a key that is none the nearest that is one."""
    if len(text) > MOST_BYTES:
        raise BadInput(f"is no gate: it has more than {MOST_BYTES:,} characters", where=name, hint=_HINT)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BadInput(f"is not TOML: {printable(str(error))}", where=name, hint=_HINT) from error
    try:
        return Gate.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = tuple(str(part) for part in first["loc"])
        field = printable(".".join(path))
        if first["type"] == "extra_forbidden":
            raise BadInput(f"`{field}` is nothing a gate knows", where=name, hint=_nearest(path)) from error
        raise BadInput(f"`{field}`: {_said(first['msg'], path)}", where=name, hint=_HINT) from error


def _said(message: str, path: tuple[str, ...]) -> str:
    if path[0] == "require":
        return f"is none of {', '.join(RULES)}" if len(path) > 1 else 'should be a list: ["latency"]'
    return "should be a table" if "dictionary" in message else printable(message)


def _nearest(path: tuple[str, ...]) -> str:
    """The key that was most likely meant: by its own name in the same table, else in any."""
    keys = _keys(Gate)
    parent = ".".join(path[:-1])
    siblings = [key for key in keys if key.rpartition(".")[0] == parent]
    for candidates in (siblings, keys):
        names = {key.rpartition(".")[2]: key for key in candidates}
        if found := difflib.get_close_matches(path[-1], names, n=1):
            return f"{names[found[0]]}, perhaps? {_HINT}"
    return f"known there: {', '.join(siblings)}" if siblings else _HINT


def _keys(table: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key of the file with its table: `latency.total_percent`."""
    keys = []
    for name, field in table.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _keys(field.annotation, f"{prefix}{name}.")
    return keys
