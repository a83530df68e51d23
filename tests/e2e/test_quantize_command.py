"""`edgeq quantize` as a user has it: three accuracies, what each layer costs, a page with pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from edgeq.cli import app
from edgeq.report.validate import schema

NET = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    )
    with torch.no_grad():  # the same network, with a channel of the first layer that rules its scale
        net[0].weight[2] *= 300
        net[0].bias[2] *= 300
        net[3].weight[:, 2] /= 300
    return net
"""

TOML = """
name = "lopsided"
factory = "net.py:make"
labels = ["ant", "bee", "cat"]
[input]
shape = [1, 8, 8, 1]
[data]
name = "{data}"
held_out = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lopsided")
    random = np.random.RandomState(1)
    (made / "net.py").write_text(NET)
    np.savez(made / "set.npz", images=random.randn(80, 8, 8, 1), labels=np.arange(80) % 3)
    (made / "model.toml").write_text(TOML.format(data=made / "set.npz"))
    return made


def _run(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(app, ["quantize", str(folder), "-o", str(folder / "made.onnx"), *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_answer_in_json(folder: Path) -> None:
    page = folder / "made.html"
    done = json.loads(_run(folder, "--per-tensor", "--explain", "--report", str(page), "--json"))
    assert done["not_integer"] == ""  # also with one input channel, whose maps torch takes for channels-last
    for name in ("float_top1", "qdq_top1", "int8_top1"):
        assert 0 <= done[name] <= 1
    lost = sum(pair["lost"] - pair["won"] for pair in done["moved"])
    assert lost == round((done["float_top1"] - done["int8_top1"]) * done["samples"])
    assert {pair[key] for pair in done["moved"] for key in ("float_class", "int8_class")} <= {"ant", "bee", "cat"}

    made = done["quantisation"]
    Draft202012Validator(schema() | {"$ref": "#/$defs/quantisation", "required": [], "type": "object"}).validate(made)
    assert [row["name"] for row in done["sqnr"]] == [row["name"] for row in made["activations"]]
    costs = {tuple(cost["names"]): cost["gain_db"] for cost in made["left_out"]["costs"]}
    assert set(costs) == {("input",), ("0", "2"), ("3",), ("5", "6"), ("7",)}  # what keeps a scale is left out with it
    worst = next(iter(costs))
    assert worst in (("0", "2"), ("3",)) and costs[worst] > 1  # the channel's layer, or the one that takes it back
    weight = made["weights"][0]
    assert weight["name"] == "0" and weight["channel_spread"] > 100 and weight["worst_channel_db"] < 10
    assert weight["histogram"] and made["activations"][1]["histogram"]

    text = page.read_text()
    assert "lopsided" in text and "What each layer costs" in text and text.count("<svg") >= 2


def test_the_answer_on_the_console(folder: Path) -> None:
    text = _run(folder, "--per-tensor", "--explain", "--samples", "20")
    for words in ("float top-1", "INT8 top-1, simulated", "INT8 top-1, integer", "weights of", "in float", "made.onnx"):
        assert words in text
    assert "only 20 calibration samples\n  try: --samples 32 or more" in text
    assert "try: weights per channel" in text
    # Without being asked it costs nothing.
    assert "in float" not in _run(folder)
