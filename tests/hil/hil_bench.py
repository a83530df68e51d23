"""Benches of virtual boards for tests: small models, a `hil.toml`, and the command as a user has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edgeq.convert import write_tflite
from edgeq.hil.journal import Story, read_events, replay
from edgeq.ops import conv2d

WROVER = "esp32-wrover-b"


def models(folder: Path) -> None:
    """`one.tflite` and `other.tflite`: a convolution each."""
    for name, channels in (("one", 5), ("other", 7)):
        case = conv2d.case((1, 9, 8, 3), channels, (3, 3), stride=(2, 2))
        (folder / f"{name}.tflite").write_bytes(write_tflite(case))


def board(name: str, **keys: Any) -> dict[str, Any]:
    """A `[[board]]`, by itself a process of this machine."""
    where = {} if {"port", "place", "mac", "usb_serial", "virtual"} & set(keys) else {"virtual": "host"}
    return {"name": name, "board": WROVER, **where, **keys}


def write_bench(
    folder: Path, bench: dict[str, Any], boards: list[dict[str, Any]], models: list[dict[str, Any]]
) -> Path:
    """A `hil.toml`."""
    lines = ["[bench]", *_table(bench)]
    for kind, tables in (("board", boards), ("model", models)):
        for table in tables:
            lines += [f"[[{kind}]]", *_table(table)]
    path = folder / "hil.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _table(table: dict[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in table.items()]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(_table(value)) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)


def story_of(out: Path) -> Story:
    """What the journal tells; that it can be replayed says that no job was decided twice."""
    return replay(read_events(out / "journal.jsonl")[0])


def cases_of(out: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """JUnit's outcome and properties by job."""
    found = {}
    for case in ElementTree.parse(out / "junit.xml").iter("testcase"):  # noqa: S314 - our own file
        tags = {"failure": "failed", "error": "infrastructure", "skipped": "skipped"}
        outcome = next((tags[child.tag] for child in case if child.tag in tags), "passed")
        properties = {p.get("name", ""): p.get("value", "") for p in case.iter("property")}
        found[f"{case.get('classname')}/{case.get('name')}"] = (outcome, properties)
    return found
