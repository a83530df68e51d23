"""Keras and SavedModel to an int8 `.tflite`, by TensorFlow's own converter in a process of its own.

The same data, preprocessing and split as for any other model; the converter's full-integer quantisation in place of
edgeq's. TensorFlow is a package of this environment, or of the one whose Python EDGEQ_TENSORFLOW_PYTHON names.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, EdgeqError, ToolMissing, Unsupported
from edgeq.quantize import keras_worker
from edgeq.quantize.data_checks import data_warnings
from edgeq.quantize.images import Labels
from edgeq.quantize.recipe import DataFacts, Recipe, Shape, bare_recipe, read_recipe
from edgeq.quantize.samples import Samples, check_expected, load_samples

PYTHON = "EDGEQ_TENSORFLOW_PYTHON"
SUFFIXES = (".keras", ".h5")

# progress(stage, done, total)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class QuantizedKeras:
    """An int8 `.tflite`, and what the float network said: `scores` [N, classes] for each of `held_out`."""

    recipe: Recipe
    tflite: bytes
    scores: NDArray[np.float32]
    held_out: Samples
    calibration: Samples
    parameters: int
    weights_sha256: str

    @property
    def float_classes(self) -> Labels:
        """What the float network takes each of `held_out` for."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what is suspicious about the data."""
        return data_warnings(self.calibration.stored, self.calibration.inputs_nhwc, self.recipe.input)


def is_saved_model(path: Path) -> bool:
    """Whether this is the folder of a SavedModel."""
    return (path / "saved_model.pb").is_file()


def quantize_keras(
    model: Path,
    *,
    input_shape: Shape | None = None,
    data: DataFacts | None = None,
    per_channel: bool = True,
    calibration_samples: int = 256,
    progress: Progress = lambda stage, done, total: None,
) -> QuantizedKeras:
    """Quantise a `.keras`, an `.h5`, a SavedModel, or the folder whose `model.toml` names one.

    Raises:
        BadInput: no data, data that does not fit, a file that TensorFlow does not read.
        Unsupported: a layer that is not loaded, more than one input, something without an int8 form.
        ToolMissing: TensorFlow is not installed.
        CheckFailed: the float network scores less than its recipe expects.
    """
    recipe = read_recipe(model) if (model / "model.toml").is_file() else None
    path = model if recipe is None else recipe.folder / str(recipe.file)
    if not path.exists():
        raise BadInput("no such file", where=str(path))
    with tempfile.TemporaryDirectory(prefix="edgeq-keras-") as temporary:
        folder = Path(temporary)
        progress("start TensorFlow", 0, 1)
        with _Worker(path, folder, per_channel) as worker:
            facts = worker.answer()
            shape: Shape = tuple(facts["shape"])
            recipe = recipe or bare_recipe(path, shape)
            for wanted in (recipe.input.shape, input_shape):
                if wanted not in (None, shape):
                    raise BadInput(f"takes {list(shape)} (NHWC), not {list(wanted)}", where=str(path))
            progress("read the data", 0, 1)
            calibration, held_out = load_samples(
                recipe, data, calibration_samples=calibration_samples, classes=facts["classes"]
            )
            np.savez(folder / "inputs.npz", calibration=calibration.inputs_nhwc, held_out=held_out.inputs_nhwc)
            progress("TensorFlow scores and quantises", 0, 1)
            worker.go_on()
            worker.answer()
        scores: NDArray[np.float32] = np.load(folder / "scores.npy", allow_pickle=False)
        tflite = (folder / "model.tflite").read_bytes()
    done = QuantizedKeras(recipe, tflite, scores, held_out, calibration, int(facts["parameters"]), _digest(path))
    if data is None:
        check_expected(recipe, held_out.share_right(done.float_classes))
    return done


def _digest(path: Path) -> str:
    """SHA-256 of the file; of a SavedModel's files, one behind the other in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


class _Worker:
    """`keras_worker.py` as a child process."""

    def __init__(self, path: Path, folder: Path, per_channel: bool) -> None:
        self.where = str(path)
        weights = "per-channel" if per_channel else "per-tensor"
        self._log = folder / "stderr"
        command = [_python(), str(Path(keras_worker.__file__)), str(path), str(folder), weights]
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8"
                )
        except OSError as error:
            raise ToolMissing(
                f"{PYTHON} is no Python that runs ({error.strerror})", where=command[0], hint=_HINT
            ) from error

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def answer(self) -> dict[str, Any]:
        """The next line it tells.

        Raises:
            EdgeqError: it tells that something went wrong, or ended without a word.
        """
        line = _pipe(self._process.stdout).readline()
        try:
            told: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError as error:
            last = self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise BadInput(f"TensorFlow ended without an answer: {last[-1][:400]}", where=self.where) from error
        if "error" in told:
            raise self._error(str(told.get("kind")), str(told["error"]))
        return told

    def go_on(self) -> None:
        """Lets it read the inputs."""
        pipe = _pipe(self._process.stdin)
        pipe.write("\n")
        pipe.flush()

    def _error(self, kind: str, text: str) -> EdgeqError:
        if kind == "missing":
            return ToolMissing(f"Keras models need TensorFlow ({text})", hint=_HINT)
        if kind == "refused":
            return Unsupported(text, where=self.where)
        return BadInput(f"TensorFlow refuses it: {text}", where=self.where)


_HINT = f"pip install edgeq[tensorflow], or {PYTHON}=PATH of the Python of an environment with TensorFlow"


def _python() -> str:
    """The Python that has TensorFlow."""
    if named := os.environ.get(PYTHON):
        return named
    if importlib.util.find_spec("tensorflow") is None:
        raise ToolMissing("Keras models need TensorFlow", hint=_HINT)
    return sys.executable


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise AssertionError("the pipes were asked for")
    return stream
