"""What a user means by MODEL: a path first, then the zoo that comes with edgeq."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeq.bundled import bundled
from edgeq.errors import BadInput, EdgeqError, Unsupported

Kind = Literal["torch", "onnx", "tflite"]


@dataclass(frozen=True)
class Source:
    """MODEL, resolved: what kind it is, where it lies (`file.py:factory` for a factory), and a name for it."""

    kind: Kind
    path: str
    name: str

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the rooms below name a model, a node or a tensor; here they get its file in front."""
        try:
            yield
        except EdgeqError as e:
            e.where = self.path if e.where in ("", self.name) else f"{self.path}, {e.where}"
            raise


def resolve(model: str) -> Source:
    """A folder with `model.toml`, `file.py:factory`, an `.onnx` or a `.tflite`; else a folder of the zoo."""
    file, _, factory = model.rpartition(":")
    if factory.isidentifier() and file.endswith(".py"):
        if not Path(file).is_file():
            raise BadInput("there is no such file", where=file)
        return Source("torch", model, factory)
    path = Path(model)
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _file(path)
    zoo = bundled("models")
    for candidate in (zoo / model, zoo / model.removeprefix("models/")):
        if candidate.is_dir() and zoo in candidate.resolve().parents:
            return _folder(candidate)
    known = ", ".join(sorted(p.parent.name for p in zoo.glob("*/model.toml")))
    raise BadInput("there is no such file, folder or model of the zoo", where=model, hint=f"the zoo has: {known}")


def _folder(path: Path) -> Source:
    if not (path / "model.toml").is_file():
        raise BadInput("the folder has no model.toml", where=str(path), hint="see models/resnet18-digits/model.toml")
    return Source("torch", str(path), path.resolve().name)


def _file(path: Path) -> Source:
    kinds: dict[str, Kind] = {".onnx": "onnx", ".tflite": "tflite"}
    if path.suffix not in kinds:
        raise Unsupported(
            f"files of kind {path.suffix or '(none)'} are not read", where=str(path),
            hint="a folder with model.toml, file.py:factory, .onnx or .tflite",
        )  # fmt: skip
    return Source(kinds[path.suffix], str(path), path.stem)
