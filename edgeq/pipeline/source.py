"""What a user means by MODEL: a path first, then the zoo that comes with edgeq."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeq.bundled import bundled
from edgeq.convert.float_onnx import is_quantised
from edgeq.errors import BadInput, EdgeqError, Unsupported
from edgeq.pipeline.run_folder import read_file
from edgeq.quantize import keras
from edgeq.quantize.recipe import read_recipe

# What is to be done with it: edgeq quantises torch, .pt2 and float ONNX; TensorFlow quantises Keras; the others are.
Kind = Literal["torch", "keras", "onnx", "tflite"]


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
    """A folder with `model.toml`, `file.py:factory`, a model's file or SavedModel; else a folder of the zoo."""
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
    if (path / "model.toml").is_file():
        file = read_recipe(path).file_path
        return Source("torch" if file is None else _quantised_by(file), str(path), path.resolve().name)
    if keras.is_saved_model(path):
        return Source("keras", str(path), path.resolve().name)
    raise BadInput("the folder has no model.toml", where=str(path), hint="see models/resnet18-digits/model.toml")


def _quantised_by(file: Path) -> Kind:
    """Who quantises the file that a `model.toml` names."""
    if file.suffix in keras.SUFFIXES or keras.is_saved_model(file):
        return "keras"
    if file.suffix == ".onnx" and file.is_file() and is_quantised(read_file(file)):
        raise Unsupported("is quantised already", where=str(file), hint="give the file itself, without a model.toml")
    return "torch"


def _file(path: Path) -> Source:
    kinds: dict[str, Kind] = {".onnx": "onnx", ".tflite": "tflite", ".pt2": "torch"}
    kinds |= dict.fromkeys(keras.SUFFIXES, "keras")
    if path.suffix not in kinds:
        raise Unsupported(
            f"files of kind {path.suffix or '(none)'} are not read", where=str(path),
            hint=f"a folder with model.toml, a SavedModel, file.py:factory, {', '.join(kinds)}",
        )  # fmt: skip
    kind = kinds[path.suffix]
    if kind == "onnx" and not is_quantised(read_file(path)):
        kind = "torch"
    return Source(kind, str(path), path.stem)
