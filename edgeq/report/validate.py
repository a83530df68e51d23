"""Reading a `report.json`, or a bench's, from outside: its form by the schema, then its sense by the model."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import ValidationError
from referencing import Registry, Resource

from edgeq.errors import BadInput
from edgeq.report.bench import BenchReport
from edgeq.report.model import Report
from edgeq.report.part import Part
from edgeq.report.wording import printable

P = TypeVar("P", bound=Part)


@cache
def schema(name: str = "schema.json") -> dict[str, Any]:
    """A JSON Schema of version 1: a report's, or `bench-schema.json`."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return loaded


@cache
def _validator(name: str) -> Draft202012Validator:
    beside: Registry[Any] = Registry().with_resource("schema.json", Resource.from_contents(schema()))
    return Draft202012Validator(schema(name), registry=beside)


def check(data: object, *, where: str = "report.json") -> None:
    """Raise BadInput, naming the field, unless `data` has the form of a report's schema."""
    _check(data, "schema.json", where)


def read_report(text: str | bytes, *, where: str = "report.json") -> Report:
    """The report in a JSON text. Raises BadInput for anything that is not a sound report of version 1."""
    return _read(text, "schema.json", Report, where)


def read_bench(text: str | bytes, *, where: str = "bench.json") -> BenchReport:
    """What `edgeq bench` wrote. Raises BadInput for anything that is not a sound one of version 1."""
    return _read(text, "bench-schema.json", BenchReport, where)


def _check(data: object, form: str, where: str) -> None:
    error = best_match(_validator(form).iter_errors(data))
    if error is not None:
        raise BadInput(f"`{error.json_path}`: {_short(error.message)}", where=where, hint="docs/report.md")


def _read(text: str | bytes, form: str, kind: type[P], where: str) -> P:
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"is not JSON: {_short(str(error))}", where=where) from error
    _check(data, form, where)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"`$.{field}`: {_short(first['msg'])}", where=where, hint="docs/report.md") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _short(text: str) -> str:
    safe = printable(text)
    return safe if len(safe) <= 200 else safe[:199] + "…"
