"""What the user asked for, by markers, options and the ini file: which board, which model."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from edgeq.errors import BadInput
from edgeq.pipeline.board import Runner
from edgeq.pipeline.deploy import DEFAULT_BOARD, DEFAULT_RUNS
from edgeq.pipeline.engines import CHOICES, Choice

_KEYS = ("model", "engine", "runs", "data")


@dataclass(frozen=True)
class Where:
    """The board of a test run: real where it has a port. `folder` is shared by all processes of the run."""

    board: str
    port: str | None
    runner: Runner | None
    folder: Path


@dataclass(frozen=True)
class Wanted:
    """A model as `deploy` takes it, and how it is to be deployed."""

    model: str
    engine: Choice
    runs: int
    data: str | None


def where(config: pytest.Config, paths: pytest.TempPathFactory) -> Where:
    """BadInput for a runner that is none."""
    runner = _setting(config, "runner")
    if runner and runner not in get_args(Runner):
        raise BadInput(f"{runner!r} is no runner", hint=f"--edgeq-runner {' or '.join(get_args(Runner))}")
    board = _setting(config, "board") or DEFAULT_BOARD
    base = paths.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Where(
        _in_place(config, "board", board), _setting(config, "port") or None, cast(Runner, runner) if runner else None,
        shared / "edgeq",
    )  # fmt: skip


def wanted(item: pytest.Item, config: pytest.Config) -> Wanted:
    """The markers of the test, the nearest first; else the options; else the ini file. BadInput where none says which
    model, or one says what cannot be."""
    said: dict[str, Any] = {}
    for mark in item.iter_markers("edgeq"):
        if mark.args:
            raise BadInput("the marker edgeq takes names alone", where=item.nodeid, hint='edgeq(model="models/mine")')
        said = {**mark.kwargs, **said}
    if strange := next((key for key in said if key not in _KEYS), None):
        near = difflib.get_close_matches(strange, _KEYS, n=1)
        hint = f"{near[0]}, perhaps?" if near else f"it knows {', '.join(_KEYS)}"
        raise BadInput(f"the marker edgeq knows no {strange!r}", where=item.nodeid, hint=hint)
    model = _model(said.get("model"), config)
    if not model:
        hint = '@pytest.mark.edgeq(model="models/mine"), --edgeq-model, or edgeq_model in the ini file'
        raise BadInput("deployed_model is asked for, and nothing says which model", where=item.nodeid, hint=hint)
    engine = said.get("engine", _setting(config, "engine") or "native")
    if engine not in CHOICES:
        raise BadInput(f"{engine!r} is no engine", where=item.nodeid, hint=", ".join(CHOICES))
    runs = str(said.get("runs", _setting(config, "runs") or DEFAULT_RUNS))
    if not runs.isdecimal() or len(runs) > 9:
        raise BadInput(f"{runs!r} is no number of runs", where=item.nodeid, hint="--edgeq-runs 10")
    data = said.get("data")
    return Wanted(model, engine, int(runs), None if data is None else _beside(config.rootpath, str(data)))


def _setting(config: pytest.Config, name: str) -> str:
    return str(config.getoption(f"--edgeq-{name}") or config.getini(f"edgeq_{name}"))


def _model(marked: object, config: pytest.Config) -> str:
    if marked is not None:
        return _beside(config.rootpath, str(marked))
    return _in_place(config, "model", _setting(config, "model"))


def _in_place(config: pytest.Config, name: str, value: str) -> str:
    """What the command line names lies where the user is, all else beside the ini file."""
    given = config.getoption(f"--edgeq-{name}")
    return _beside(config.invocation_params.dir if given else config.rootpath, value)


def _beside(folder: Path, value: str) -> str:
    """The path in that folder, where it leads to something; else what was said, which may be a name."""
    file, _, behind = value.partition(":")
    if value and (folder / file).exists():
        return f"{folder / file}:{behind}" if behind else str(folder / file)
    return value
