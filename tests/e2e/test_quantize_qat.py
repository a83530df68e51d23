"""Quantisation-aware training: what it recovers, that it sees what is exported, that the export path is the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from command_line import edgeq, refused
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from edgeq.cli import app
from edgeq.errors import BadInput, CheckFailed
from edgeq.pipeline.run_folder import LOCK
from edgeq.quantize import qat
from edgeq.quantize.batches import scores, takes_batches
from edgeq.quantize.calibrate import Calibrated, calibrate_graph, float_graph
from edgeq.quantize.data import load_split
from edgeq.quantize.door import one_thread, quiet
from edgeq.quantize.fake import set_ranges
from edgeq.quantize.graphs import Graph
from edgeq.quantize.model import LoadedModel, load_model
from edgeq.quantize.qat import Tuning, tune
from edgeq.quantize.quantize import QuantizedModel, quantize
from edgeq.quantize.recipe import DataFacts
from edgeq.quantize.rules import TFLiteQuantizer
from edgeq.quantize.training_data import BATCH, CHUNK, TrainingData, divided, load_training_data

# Inverted residuals on 8x8 digits, small enough to be trained in seconds.
NET = """
import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "hardswish": nn.Hardswish}

class Mobile(nn.Module):
    def __init__(self, activation="relu"):
        super().__init__()
        def layer(into, out, size, groups=1, stride=1):
            convolution = nn.Conv2d(into, out, size, stride, size // 2, groups=groups, bias=False)
            return [convolution, nn.BatchNorm2d(out, eps=1e-3)]
        def inverted(into, wide, out, stride):
            act = ACTIVATIONS[activation]
            return nn.Sequential(
                *layer(into, wide, 1), act(inplace=True),
                *layer(wide, wide, 3, wide, stride), act(inplace=True),
                *layer(wide, out, 1),
            )
        self.stem = nn.Sequential(*layer(1, 12, 3), ACTIVATIONS[activation](inplace=True))
        self.down = inverted(12, 24, 16, 2)
        self.block = inverted(16, 32, 16, 1)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.down(self.stem(x))
        x = x + self.block(x)
        return self.head(x.mean((2, 3)))
"""
TOML = """
name = "mobile-digits"
factory = "net.py:Mobile"
weights = "weights.safetensors"
[kwargs]
activation = "{activation}"
[input]
shape = [1, 8, 8, 1]
scale = 0.0625
white = 16
[data]
name = "digits"
calibration = "few.npz"
"""
EPOCHS = 5


def _train(module: nn.Module, model: LoadedModel) -> None:
    """As anyone trains it."""
    data = load_training_data(model.recipe, None, classes=10, seed=0)
    torch.manual_seed(0)
    adam = torch.optim.Adam(module.parameters(), 4e-3)
    module.train()
    for _ in range(EPOCHS):
        for inputs, labels in data.batches(np.random.RandomState(0).permutation(data.train)):
            loss = F.cross_entropy(module(torch.from_numpy(inputs)), torch.from_numpy(labels))
            adam.zero_grad()
            loss.backward()
            adam.step()
    module.eval()


def _blow_up(module: nn.Module, factor: float) -> None:
    """The same function of a ReLU network, with a channel of each wide tensor `factor` times as large."""
    with torch.no_grad():
        for inverted in (module.get_submodule("down"), module.get_submodule("block")):
            for norm, behind, channel in ((inverted[1], inverted[3], 3), (inverted[4], inverted[6], 5)):  # type: ignore[index]
                norm.weight[channel] *= factor
                norm.bias[channel] *= factor
                weight = behind.weight if behind.groups > 1 else behind.weight.transpose(0, 1)
                weight[channel] /= factor


def _folder(path: Path, activation: str) -> Path:
    path.mkdir()
    few = load_split(DataFacts(name="digits"), train_samples=48).train
    np.savez(path / "few.npz", images=few.pixels, labels=few.labels)
    (path / "net.py").write_text(NET)
    toml = TOML.format(activation=activation)
    (path / "model.toml").write_text(toml.replace('weights = "weights.safetensors"', ""))
    with one_thread():
        torch.manual_seed(0)
        model = load_model(str(path))
        _train(model.module, model)
    save_file(
        {name: values.contiguous() for name, values in model.module.state_dict().items()}, path / "weights.safetensors"
    )
    (path / "model.toml").write_text(toml)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A trained model folder by activation, trained once."""
    home = tmp_path_factory.mktemp("qat")

    def folder(activation: str) -> Path:
        return home / activation if (home / activation).exists() else _folder(home / activation, activation)

    return folder


def _start(
    model: LoadedModel, *, per_channel: bool = False
) -> tuple[Graph, Calibrated, torch.Tensor, partial[TFLiteQuantizer]]:
    """The float graph without equalisation, the INT8 network made of it, the calibration samples, the quantiser."""
    data = load_training_data(model.recipe, None, classes=10, seed=0)
    samples = torch.from_numpy(data.read(np.arange(48)))
    quantizer = partial(TFLiteQuantizer, per_channel=per_channel, observer="minmax")
    graph = float_graph(model.module, samples, biases=True, equalised=False)
    return graph, calibrate_graph(copy.deepcopy(graph), quantizer(), samples, lambda _d, _t: None), samples, quantizer


def _tuned(model: LoadedModel, epochs: int, data: TrainingData | None = None) -> tuple[Calibrated, Calibrated, Tuning]:
    graph, before, samples, quantizer = _start(model)
    data = data or load_training_data(model.recipe, None, classes=10, seed=0)
    with one_thread():
        after, tuning = tune(model.module, graph, before, samples, data, quantizer, epochs, lambda _s, _d, _t: None)
    return before, after, tuning


def _held_out(model: LoadedModel, network: nn.Module) -> float:
    assert model.recipe.data is not None
    images = load_split(model.recipe.data, folder=model.recipe.folder).held_out
    inputs = torch.from_numpy(images.pixels.transpose(0, 3, 1, 2) * np.float32(model.recipe.input.scale))
    with torch.no_grad(), quiet():
        return float((network(inputs).argmax(1).numpy() == images.labels).mean())


# --- what it brings ----------------------------------------------------------------------------------------------


def test_training_recovers_from_channels_blown_up_fifty_times(folders: Callable[..., Path]) -> None:
    """Without equalisation, which would recover it alone."""
    model = load_model(str(folders("relu")))
    _blow_up(model.module, 50)
    before, after, tuning = _tuned(model, 2)
    wanted, lost = _held_out(model, model.module), _held_out(model, before.quantised)
    assert wanted > 0.93 and lost < wanted - 0.1
    assert _held_out(model, after.quantised) > lost + 0.5 * (wanted - lost)
    assert tuning.kept in (1, 2) and len(tuning.epochs) == 3
    assert tuning.epochs[tuning.kept].merit == max(epoch.merit for epoch in tuning.epochs)


def test_training_that_spoils_the_network_is_not_kept(
    folders: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qat, "RATE", 100.0)
    before, after, tuning = _tuned(load_model(str(folders("relu"))), 1)
    assert tuning.epochs[1].top1 < tuning.epochs[0].top1
    assert tuning.kept == 0 and after is before


@pytest.mark.parametrize(("activation", "per_channel"), [("relu", True), ("relu6", False), ("hardswish", True)])
def test_training_sees_the_network_that_is_exported(
    folders: Callable[..., Path], activation: str, per_channel: bool
) -> None:
    """Same scales, same rounding: but for sums, which float adds up in another order, and the rounding of biases."""
    model = load_model(str(folders(activation)))
    graph, calibrated, samples, quantizer = _start(model, per_channel=per_channel)
    with quiet():
        training, trained = qat._trainable(graph, quantizer(training=True))
    set_ranges(training, calibrated.observed)
    with torch.no_grad(), quiet():
        seen, made = training(samples), calibrated.quantised(samples)
    step = float(torch.diff(made.flatten().unique()).min())
    assert float((seen - made).abs().mean()) < 0.5 * step
    weights = [name for name in trained if name.endswith("weight")]
    assert len(weights) == 8 and len(trained) == 16
    training(samples).sum().backward()
    assert all(value.grad is not None and bool(value.grad.isfinite().all()) for value in trained.values())


# --- the same export path ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(folders: Callable[..., Path]) -> QuantizedModel:
    return quantize(load_model(str(folders("hardswish"))), qat_epochs=1)


def test_weights_and_biases_are_on_the_grid(trained: QuantizedModel) -> None:
    graph = onnx.load_from_string(trained.onnx_bytes).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scales = {
        node.input[0]: (values[node.input[1]], values[node.input[2]])
        for node in graph.node
        if node.op_type == "DequantizeLinear"
    }
    floats = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(layers) == 8
    for node in layers:
        source, weight, bias = (floats[name] for name in node.input)
        assert values[weight].dtype == np.int8 and values[bias].dtype == np.int32
        assert int(np.abs(values[weight].astype(int)).max()) == 127
        assert not scales[weight][1].any() and not scales[bias][1].any()
        np.testing.assert_allclose(scales[bias][0], scales[source][0] * scales[weight][0], rtol=1e-6)


def test_the_file_says_that_it_was_trained(trained: QuantizedModel) -> None:
    assert trained.tuning is not None
    facts = {item.key: item.value for item in onnx.load_from_string(trained.onnx_bytes).metadata_props}
    assert ("qat" in facts["edgeq.repairs"]) == (trained.tuning.kept > 0)
    assert [effect.repair for effect in trained.effects] == ["equalisation"]
    assert trained.qdq_top1 >= trained.float_top1 - 0.01


def test_the_same_seed_gives_the_same_bytes_and_leaves_the_users_network_alone(
    folders: Callable[..., Path], trained: QuantizedModel
) -> None:
    model = load_model(str(folders("hardswish")))
    before = copy.deepcopy(model.module.state_dict())
    stages: dict[str, tuple[int, int]] = {}
    with torch.random.fork_rng():
        torch.manual_seed(123)
        again = quantize(
            model,
            qat_epochs=1,
            progress=lambda stage, at, total: stages.update({stage: (at, total)}),
        )
    assert again.onnx_bytes == trained.onnx_bytes
    after = model.module.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    assert trained.tuning is not None
    batches = -(-trained.tuning.images // BATCH)
    assert stages["train, epoch 1 of 1"] == (batches, batches)


@pytest.mark.e2e
def test_deploy_with_training_has_a_clean_ledger(folders: Callable[..., Path], tmp_path: Path, cache: None) -> None:
    options = ["--qat", "1", "--per-tensor", "--runner", "host", "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["deploy", str(folders("relu6")), *options])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    ledger = {hop["name"]: hop["status"] for hop in report["ledger"]["hops"]}
    assert set(ledger.values()) <= {"equal", "within", "not run"}
    assert ledger["litert"] == ledger["native-host"] == "equal" and ledger["tflm"] in ("equal", "not run")
    training = report["quantisation"]["training"]
    assert [epoch["number"] for epoch in training["epochs"]] == [0, 1]
    assert training["images"] + training["set_aside"] == 1438
    assert "Trained with INT8's rounding" in (tmp_path / "run" / "report.md").read_text()
    assert json.loads((tmp_path / "run" / LOCK).read_text())["made_from"]["qat_epochs"] == "1"


# --- the data ----------------------------------------------------------------------------------------------------


def test_nothing_held_out_is_trained_with_and_little_is_in_memory(folders: Callable[..., Path]) -> None:
    model = load_model(str(folders("relu")))
    data = load_training_data(model.recipe, None, classes=10, seed=0)
    assert model.recipe.data is not None
    split = load_split(DataFacts(name="digits"))
    np.testing.assert_array_equal(data.labels, split.train.labels)
    everything = np.concatenate([data.train, data.aside])
    assert sorted(everything) == list(range(len(split.train)))
    np.testing.assert_array_equal(data.read(everything[:5])[:, 0] * 16, split.train.pixels[everything[:5], ..., 0])

    asked: list[int] = []

    def read(index: np.ndarray) -> np.ndarray:
        asked.append(len(index))
        return data.read(index)

    _tuned(model, 1, TrainingData(data.labels, read, data.train, data.aside))
    assert sum(asked) >= len(data.train) and max(asked) <= CHUNK * BATCH


@pytest.mark.parametrize(
    ("labels", "wrong"),
    [
        ([0] * 50, "same label"),
        ([0, 1] * 4, "too few"),
        ([0, 1, 2] * 20, "label 2 for a network of 2 classes"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(labels: list[int], wrong: str) -> None:
    with pytest.raises(BadInput, match=wrong) as caught:
        divided(np.array(labels), 2, "set", seed=0)
    assert caught.value.where == "set"


def test_at_most_a_thousand_images_are_set_aside() -> None:
    train, aside = divided(np.arange(30_000) % 10, 10, "set", seed=0)
    assert len(aside) == 1000 and len(train) == 29_000
    assert set(np.bincount(aside % 10)) == {100}


def test_scores_that_are_not_finite_end_training(folders: Callable[..., Path]) -> None:
    model = load_model(str(folders("relu")))
    data = load_training_data(model.recipe, None, classes=10, seed=0)

    def read(index: np.ndarray) -> np.ndarray:
        return data.read(index) * np.float32(np.nan if len(index) > len(data.aside) else 1)

    with pytest.raises(CheckFailed, match="finite"):
        _tuned(model, 1, TrainingData(data.labels, read, data.train, data.aside))


def test_a_number_of_epochs_out_of_bounds_is_refused(folders: Callable[..., Path]) -> None:
    for epochs in (-1, 1001):
        with pytest.raises(BadInput, match="epochs"):
            quantize(load_model(str(folders("relu"))), qat_epochs=epochs)


def test_data_of_one_class_is_refused_before_any_work(folders: Callable[..., Path], tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", images=np.zeros((40, 8, 8, 1)), labels=np.zeros(40, int))
    output = tmp_path / "made.onnx"
    done = edgeq("quantize", folders("relu"), "--data", "one.npz", "--qat", 1, "-o", output, cwd=tmp_path)
    refused(done, 2, "same label", "class folders")
    assert not output.exists()


def test_what_is_quantised_already_cannot_be_trained(small: Path, tmp_path: Path) -> None:
    refused(edgeq("deploy", small, "--qat", 1, cwd=tmp_path), 2, "only a float network can be trained")
    assert not (tmp_path / "run").exists()


# --- networks of one sample --------------------------------------------------------------------------------------


def test_a_network_that_takes_one_sample_is_given_one_at_a_time() -> None:
    class Single(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(1, 6)[:, :2]

    inputs = torch.rand(3, 6)
    assert not takes_batches(Single(), inputs[:2]) and takes_batches(nn.Linear(6, 2), inputs[:2])
    torch.testing.assert_close(scores(Single(), inputs, at_once=False), inputs[:, :2])
