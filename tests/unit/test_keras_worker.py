"""What is let into TensorFlow: known layers and operations alone. TensorFlow itself is not needed here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edgeq.errors import BadInput, ToolMissing
from edgeq.pipeline.float_models import load_keras
from edgeq.pipeline.prepare import QuantiseOptions
from edgeq.pipeline.progress import Quiet
from edgeq.pipeline.source import resolve
from edgeq.quantize import keras
from edgeq.quantize.keras_worker import Refused, check_config, check_operations


def layer(name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": name, "module": "keras.layers", "config": config, "registered_name": None}


def model(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "module": "keras", "config": {"layers": list(layers)}}


def test_known_layers_and_their_settings_are_let_in() -> None:
    zeros = {"class_name": "Zeros", "module": "keras.initializers", "config": {}}
    relu = {"class_name": "function", "module": "builtins", "config": "relu", "registered_name": "function"}
    old = {"class_name": "Model", "config": {"layers": [{"class_name": "Conv2D", "config": {"activation": "relu"}}]}}
    check_config(model(layer("InputLayer"), layer("Conv2D", bias_initializer=zeros, activation=relu), layer("Dense")))
    check_config(old)


@pytest.mark.parametrize(
    ("strange", "named"),
    [
        (layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEAAA=="}}), "__lambda__|Lambda"),
        (layer("TFOpLambda", function="io.write_file"), "TFOpLambda"),
        (layer("TorchModuleWrapper"), "TorchModuleWrapper"),
        (layer("Dense", activation={"class_name": "function", "module": "os", "config": "system"}), "system"),
        (layer("Dense") | {"module": "os.path"}, r"os\.path"),
        (layer("Dense") | {"registered_name": "Mine>Dense"}, "Mine>Dense"),
        (model(model(layer("Lambda"))), "Lambda"),
    ],
)
def test_all_else_is_refused_by_its_name(strange: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        check_config(model(layer("InputLayer"), strange))


@dataclass
class Node:
    """As in a GraphDef."""

    op: str
    name: str = "a node"
    input: list[str] = field(default_factory=lambda: ["x"])
    attr: dict[str, str] = field(default_factory=lambda: {"T": "float"})


def test_operations_that_touch_the_world_are_refused() -> None:
    for op in ("WriteFile", "ReadFile", "PyFunc", "EagerPyFunc", "Save", "PrintV2", "TensorListPushBack"):
        with pytest.raises(Refused, match=f"the operation {op} in a node"):
            check_operations([Node("Conv2D"), Node(op)])


def test_what_writes_checkpoints_does_nothing_any_more() -> None:
    nodes = [Node("Conv2D"), Node("SaveV2"), Node("MergeV2Checkpoints")]
    check_operations(nodes)
    assert nodes == [Node("Conv2D"), Node("NoOp", input=[], attr={}), Node("NoOp", input=[], attr={})]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "net.h5").write_bytes(b"")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    (tmp_path / "model.toml").write_text('name = "mine"\nfile = "net.h5"\n[input]\nshape = [1, 8, 8, 3]\n')
    return tmp_path


def test_keras_files_are_told_by_their_kind(files: Path) -> None:
    assert {resolve(str(path)).kind for path in (files, files / "net.h5", files / "saved")} == {"keras"}


def test_without_tensorflow_the_error_says_what_to_install(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delenv(keras.PYTHON, raising=False)
    with pytest.raises(ToolMissing) as caught:
        load_keras(resolve(str(files)), QuantiseOptions(), Quiet())
    assert "pip install edgeq[tensorflow]" in caught.value.hint and keras.PYTHON in caught.value.hint


@pytest.mark.parametrize("python", ["/no/such/python", "no module"])
def test_a_python_without_tensorflow_is_told(
    files: Path, tmp_path: Path, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if python == "no module":  # this Python, in which importing tensorflow fails
        python = str(tmp_path / "python")
        (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
        (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv(keras.PYTHON, python)
    with pytest.raises(ToolMissing) as caught:
        load_keras(resolve(str(files)), QuantiseOptions(), Quiet())
    assert "pip install edgeq[tensorflow]" in caught.value.hint


def test_a_worker_that_dies_is_an_error_with_its_last_words(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv(keras.PYTHON, str(tmp_path / "python"))
    with pytest.raises(BadInput, match="out of luck"):
        load_keras(resolve(str(files)), QuantiseOptions(), Quiet())


def test_options_of_edgeqs_own_quantiser_are_refused(files: Path) -> None:
    for options in (QuantiseOptions(effort="best"), QuantiseOptions(observer="mse")):
        with pytest.raises(BadInput, match="edgeq's own"):
            load_keras(resolve(str(files)), options, Quiet())
