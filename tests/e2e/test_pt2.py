"""`.pt2` files of torch.export: the same network, and nothing in the file is ever executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgeq.errors import BadInput, Unsupported
from edgeq.quantize import pt2
from edgeq.quantize.model import load_model
from edgeq.quantize.names import where_in_source
from edgeq.quantize.pt2 import read_pt2
from edgeq.quantize.simplify import exported


class Net(nn.Module):
    """Layers, parts, constants and buffers, as people write them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same", bias=False), nn.BatchNorm2d(8), nn.SiLU())
        self.fold = nn.Conv2d(4, 4, (1, 3), dilation=2)
        self.head = nn.Linear(8, 5)
        self.register_buffer("factor", torch.tensor([[2.0, 0.0, 0.5]]).T[::2].reshape(2, 1, 1, 1)[:1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.dropout(self.stem(x), 0.5, self.training) * self.factor
        first, second = torch.chunk(x, 2, 1)
        x = torch.cat([self.fold(first), second[..., 2:-2].clamp(0, 6)], 1) + torch.tensor(0.25)
        y: torch.Tensor = self.head(x.mean((2, 3)).flatten(1))
        return y


def saved(module: nn.Module | None = None, *shape: int, **options: Any) -> bytes:
    torch.manual_seed(0)
    buffer = io.BytesIO()
    program = torch.export.export((module or Net()).eval(), (torch.randn(*(shape or (1, 3, 10, 12))),), **options)
    torch.export.save(program, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def file() -> bytes:
    return saved()


def edited(data: bytes, edit: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with each member's content as `edit` makes it; None drops it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = edit(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return buffer.getvalue()


def with_json(data: bytes, ending: str, change: Callable[[Any], None]) -> bytes:
    def edit(name: str, content: bytes) -> bytes:
        if not name.endswith(ending):
            return content
        loaded = json.loads(content)
        change(loaded)
        return json.dumps(loaded).encode()

    return edited(data, edit)


def test_it_computes_what_torch_does(file: bytes) -> None:
    x = torch.randn(1, 3, 10, 12)
    module, shape = read_pt2(file, "net.pt2")
    assert shape == (1, 3, 10, 12)
    with torch.no_grad():
        torch.testing.assert_close(module(x), torch.export.load(io.BytesIO(file)).module()(x))


def test_names_and_lines_are_those_of_the_users_network(file: bytes) -> None:
    module, _ = read_pt2(file, "net.pt2")
    graph = exported(module, torch.zeros(1, 3, 10, 12))
    places = [where_in_source(node) for node in graph.graph.nodes if node.op == "call_function"]
    assert places[0].startswith("stem.0 (") and "test_pt2.py:" in places[0]
    assert places[-1].startswith("head (")


def test_a_free_batch_is_one() -> None:
    dims = ({0: torch.export.Dim("batch")},)
    module, shape = read_pt2(saved(None, 2, 3, 10, 12, dynamic_shapes=dims), "net.pt2")
    assert shape == (1, 3, 10, 12) and module(torch.zeros(1, 3, 10, 12)).shape == (1, 5)


def test_it_is_a_model_like_any_other(file: bytes, tmp_path: Path) -> None:
    (tmp_path / "my net.pt2").write_bytes(file)
    loaded = load_model(str(tmp_path / "my net.pt2"))
    assert (loaded.recipe.name, loaded.recipe.input.shape, loaded.classes) == ("my-net", (1, 10, 12, 3), 5)


class Harm:
    """What a pickle can do: it would make this file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_pickles_are_never_loaded(file: bytes, tmp_path: Path) -> None:
    """torch.export.load runs this one, which shows that the test could fail."""
    harm = pickle.dumps(Harm(tmp_path / "harm"))

    def pickled(config: Any) -> None:
        for entry in config["config"].values():
            entry["use_pickle"] = True

    bad = edited(
        with_json(file, "weights_config.json", pickled),
        lambda name, content: harm if "/data/weights/weight_" in name or name.endswith("model.pt") else content,
    )
    with pytest.raises(Unsupported, match="nothing is unpickled"):
        read_pt2(bad, "net.pt2")
    inputs = edited(file, lambda name, content: harm if name.endswith("model.pt") else content)
    read_pt2(inputs, "net.pt2")
    assert not (tmp_path / "harm").exists()
    with pytest.raises(Exception):  # noqa: B017  # whatever it ends with, it has unpickled
        torch.export.load(io.BytesIO(inputs))
    assert (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "target", ["torch.serialization.os.system", "torch.ops.aten.from_file.default", "_operator.call", "math.sqrt", 7]
)
def test_no_function_but_those_with_a_rule_is_looked_up(file: bytes, target: object) -> None:
    def change(program: Any) -> None:
        program["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(Unsupported, match=r"no INT8 rule for .* in stem\.0"):
        read_pt2(with_json(file, "models/model.json", change), "net.pt2")


def test_expressions_are_not_evaluated(file: bytes, tmp_path: Path) -> None:
    harm = f"__import__('os').mkdir({str(tmp_path / 'harm')!r})"

    def change(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["inputs"][-1]["arg"] = {"as_sym_int": {"as_expr": {"expr_str": harm, "hint": None}}}

    with pytest.raises(Unsupported, match="an argument of kind sym_int"):
        read_pt2(with_json(file, "models/model.json", change), "net.pt2")
    assert not (tmp_path / "harm").exists()


def test_a_decomposed_export_is_refused_with_what_to_do() -> None:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 3, 10, 12),)).run_decompositions(), buffer)
    with pytest.raises(Unsupported, match=r"no INT8 rule for aten\.convolution") as caught:
        read_pt2(buffer.getvalue(), "net.pt2")
    assert "run_decompositions" in caught.value.hint


def test_weights_that_lie_are_refused(file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def sizes(value: int) -> Callable[[Any], None]:
        return lambda config: config["config"]["fold.weight"]["tensor_meta"]["sizes"].__setitem__(0, {"as_int": value})

    for value, words in ((1 << 40, "no board holds"), (5, "too few"), (-4, "contradict")):
        with pytest.raises(BadInput, match=words):
            read_pt2(with_json(file, "weights_config.json", sizes(value)), "net.pt2")
    nan = edited(
        file,
        lambda name, content: np.full(len(content) // 4, np.nan, "<f4").tobytes() if "weight_0" in name else content,
    )
    with pytest.raises(BadInput, match="NaN"):
        read_pt2(nan, "net.pt2")
    monkeypatch.setattr(pt2, "MOST_JSON_BYTES", 1000)
    with pytest.raises(BadInput, match="more than 1000 bytes"):
        read_pt2(file, "net.pt2")


def test_damaged_files_are_refused_or_mean_something(file: bytes) -> None:
    """A flipped bit in a weight is another weight; anything else is an error of ours."""
    random = np.random.default_rng(0)
    refused = 0
    for turn in range(300):
        damaged = bytearray(file)
        if turn % 3 == 0:
            del damaged[int(random.integers(len(damaged))) :]
        else:
            damaged[int(random.integers(len(damaged)))] ^= 1 << int(random.integers(8))
        try:
            read_pt2(bytes(damaged), "net.pt2")
        except BadInput:
            refused += 1
    assert refused >= 100
