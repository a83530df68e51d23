"""What the files are written for: models, board, how edgeq is installed. Nothing of it can mean more than it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgeq.boards.board import load_board
from edgeq.errors import BadInput
from edgeq.pipeline.source import resolve
from edgeq.report.wording import printable

_ACTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+@[A-Za-z0-9][A-Za-z0-9._/-]*")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_LOOKED_INTO = 3  # folders deep
_NAME_MOST = 48


@dataclass(frozen=True)
class CiModel:
    """A model as `edgeq deploy` takes it, and its job's name: letters, digits, `.`, `-`, `_`; none of those first."""

    name: str
    path: str


@dataclass(frozen=True)
class CiSettings:
    """`install` is a pip requirement of edgeq, `action` OWNER/REPO@REF of its composite action, used in its place where
    it is not None; `branch` is the one that pull requests go to."""

    models: tuple[CiModel, ...]
    board: str
    install: str
    action: str | None = None
    branch: str = "main"

    def __post_init__(self) -> None:
        for value in (self.board, self.install, *(model.path for model in self.models)):
            _require_plain(value)
        if self.action is not None and not _ACTION.fullmatch(self.action):
            raise BadInput(f"{self.action!r} is no action", hint="--action OWNER/REPO@REF")
        if not _BRANCH.fullmatch(self.branch):
            raise BadInput(f"the default branch {printable(self.branch)!r} cannot stand in a workflow")


def _require_plain(value: str) -> None:
    """A `$` begins an expression of GitHub's or a variable of GitLab's, quoted or not; a dash begins an option."""
    if not value or value != printable(value) or "$" in value or value.startswith("-"):
        raise BadInput(
            f"{printable(value)!r} cannot stand in a workflow",
            hint="no $, no dash in front, nothing that is not printed",
        )


def models_of(folder: Path, named: Sequence[str]) -> tuple[CiModel, ...]:
    """The models `named`, as `edgeq deploy` is to be told in `folder`; all that have a model.toml there where none is.

    BadInput where there is none, or one that is neither in the folder nor in the zoo that comes with edgeq.
    """
    paths = [_checked(folder, path) for path in named] or _found(folder)
    if not paths:
        raise BadInput("has no folder with a model.toml", where=str(folder), hint="--model MODEL, as for edgeq deploy")
    taken: dict[str, CiModel] = {}
    for path in dict.fromkeys(paths):
        name = base = re.sub(r"[^A-Za-z0-9_.-]+", "-", _title(path)).strip("-._")[:_NAME_MOST] or "model"
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{base}-{number}"
        taken[name.lower()] = CiModel(name, path)
    return tuple(taken.values())


def _found(folder: Path) -> list[str]:
    places = (found for depth in range(_LOOKED_INTO + 1) for found in folder.glob("*/" * depth + "model.toml"))
    inside = sorted(found.parent.relative_to(folder) for found in places)
    return [path.as_posix() for path in inside if not any(part.startswith(".") for part in path.parts)]


def _checked(folder: Path, model: str) -> str:
    """The path as the workflow is to have it, relative to the folder."""
    _require_plain(model)
    path = PurePosixPath(model)
    if path.is_absolute() or ".." in path.parts:
        raise BadInput("is a path out of the repository", where=model, hint="a path relative to the repository's root")
    file = model.rpartition(":")[0] if ".py:" in model else model
    if (folder / file).exists():
        resolve(str(folder / model))
    elif Path(model).exists():
        raise BadInput(f"is not in {folder}", where=model, hint="a path relative to the repository's root")
    else:
        resolve(model)
    return model


def _title(path: str) -> str:
    """What a person calls it: the factory, the file or the folder."""
    file, _, factory = path.rpartition(":")
    if file.endswith(".py"):
        return f"{PurePosixPath(file).stem}-{factory}"
    return PurePosixPath(path).name


def board_of(folder: Path, board: str) -> str:
    """The board, which must be known, or be a TOML file in the folder."""
    _require_plain(board)
    inside = folder / board
    load_board(str(inside) if inside.is_file() else board)
    return board
