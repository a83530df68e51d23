"""Reading a `report.json` from outside: its form by the schema, then its sense by the model."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import ValidationError

from edgeq.errors import BadInput
from edgeq.report.model import Report
from edgeq.report.wording import printable


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of version 1."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    return loaded


def check(data: object, *, where: str = "report.json") -> None:
    """Raise BadInput, naming the field, unless `data` has the schema's form."""
    error = best_match(Draft202012Validator(schema()).iter_errors(data))
    if error is not None:
        raise BadInput(f"`{error.json_path}`: {_short(error.message)}", where=where, hint="docs/report.md")


def read_report(text: str | bytes, *, where: str = "report.json") -> Report:
    """The report in a JSON text. Raises BadInput for anything that is not a sound report of version 1."""
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"is not JSON: {_short(str(error))}", where=where) from error
    check(data, where=where)
    try:
        return Report.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"`$.{field}`: {_short(first['msg'])}", where=where, hint="docs/report.md") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _short(text: str) -> str:
    safe = printable(text)
    return safe if len(safe) <= 200 else safe[:199] + "…"
