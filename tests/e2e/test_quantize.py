"""The quantiser with torch: ResNet-18, loading, TFLite's rules in the exported ONNX, accuracy, the trace."""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

from edgeq.bundled import bundled
from edgeq.errors import BadInput, CheckFailed, Unsupported
from edgeq.quantize.model import load_model
from edgeq.quantize.observers import METHODS
from edgeq.quantize.quantize import LEDGER_SAMPLES, QuantizedModel, quantize
from edgeq.quantize.recipe import DataFacts

DIGITS = bundled("models") / "resnet18-digits"

# A network with every rule in it, small enough to be quantised in a second.
TINY = """
import torch
from torch import nn

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(2)
        self.branch = nn.Conv2d(4, 4, 1)
        self.pool2 = nn.AvgPool2d(2)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn(self.conv(x))))
        x = torch.relu(x + self.branch(x))
        return self.fc(torch.flatten(self.mean(self.pool2(x)), 1))

def make():
    torch.manual_seed(0)
    return Tiny()

def with_gelu():
    return nn.Sequential(Tiny(), nn.GELU(), nn.ELU())

def dead_channel():
    net = make()
    with torch.no_grad():
        net.branch.weight[1] = 1e-12
        net.branch.bias[1] = 3.0
    return net

def branching():
    net = make()
    class Branching(nn.Module):
        def forward(self, x):
            return net(x) if x.sum() > 0 else net(-x)
    return Branching()

def failing():
    raise RuntimeError("no such luck")

def not_a_module():
    return 1
"""

TINY_TOML = """
name = "tiny"
factory = "tiny.py:{factory}"
{weights}
[input]
shape = [1, 8, 8, 1]
[data]
name = "{data}"
held_out = 0.5
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A model folder with its data; `factory` and `weights` in model.toml are rewritten by `recipe`."""
    random = np.random.RandomState(1)
    (tmp_path / "tiny.py").write_text(TINY)
    np.savez(tmp_path / "set.npz", images=random.randn(24, 8, 8, 1), labels=np.arange(24) % 2)
    recipe(tmp_path)
    return tmp_path


def recipe(folder: Path, factory: str = "make", weights: str = "") -> str:
    line = f'weights = "{weights}"' if weights else ""
    text = TINY_TOML.format(factory=factory, weights=line, data=folder / "set.npz")
    (folder / "model.toml").write_text(text)
    return str(folder)


@pytest.fixture(scope="module")
def digits() -> QuantizedModel:
    return quantize(load_model(str(DIGITS)))


# --- ResNet-18 -------------------------------------------------------------------------------------------------


def _torchvision_shapes() -> dict[str, tuple[int, ...]]:
    """The state dict of torchvision's resnet18, written out from its published structure."""

    def conv(name: str, out: int, into: int, size: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (out, into, size, size)}

    def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}

    shapes = conv("conv1", 64, 3, 7) | norm("bn1", 64)
    into = 64
    for stage, out in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            at = f"layer{stage}.{block}"
            shapes |= conv(f"{at}.conv1", out, into, 3) | norm(f"{at}.bn1", out)
            shapes |= conv(f"{at}.conv2", out, out, 3) | norm(f"{at}.bn2", out)
            if into != out:
                shapes |= conv(f"{at}.downsample.0", out, into, 1) | norm(f"{at}.downsample.1", out)
            into = out
    return shapes | {"fc.weight": (1000, 512), "fc.bias": (1000,)}


def test_resnet18_has_torchvisions_names_and_shapes() -> None:
    model = load_model(f"{DIGITS.parent}/resnet18.py:resnet18", input_shape=(1, 64, 64, 3)).module
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == _torchvision_shapes()
    assert len(shapes) == 122
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_689_512


def test_resnet18_stems_and_inputs() -> None:
    def output(stem: str, name: str, **kwargs: Any) -> tuple[int, ...]:
        net = type(load_model(str(DIGITS)).module)(width=0.25, num_classes=7, stem=stem, in_channels=1)  # type: ignore[call-arg]
        seen: list[tuple[int, ...]] = []
        net.get_submodule(name).register_forward_hook(lambda _m, _i, result: seen.append(tuple(result.shape)))
        assert net.eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 7)
        return seen[0]

    assert output("imagenet", "layer1") == (1, 16, 8, 8)
    assert output("small", "layer1") == (1, 16, 32, 32)
    with pytest.raises(ValueError, match="stem"):
        output("large", "layer1")


def test_training_again_with_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    shutil.copytree(DIGITS, tmp_path / "resnet18-digits")
    shutil.copy(DIGITS.parent / "resnet18.py", tmp_path)
    weights = tmp_path / "resnet18-digits" / "weights.safetensors"

    shipped = weights.read_bytes()

    def train() -> bytes:
        weights.unlink()
        script = [sys.executable, str(DIGITS.parent / "train.py"), str(weights.parent)]
        subprocess.run([*script, "--seed", "5", "--epochs", "1"], check=True, capture_output=True)
        return weights.read_bytes()

    first = train()
    assert first == train()
    assert len(first) == len(shipped) and first != shipped


def test_an_interrupted_training_goes_on_and_ends_in_the_same_weights(tmp_path: Path) -> None:
    def folder(name: str) -> Path:
        shutil.copytree(DIGITS, tmp_path / name / "resnet18-digits")
        shutil.copy(DIGITS.parent / "resnet18.py", tmp_path / name)
        return tmp_path / name / "resnet18-digits"

    def start(model: Path) -> subprocess.Popen[str]:
        script = [sys.executable, str(DIGITS.parent / "train.py"), str(model)]
        return subprocess.Popen([*script, "--seed", "5", "--epochs", "2"], stdout=subprocess.PIPE, text=True)

    whole, broken = folder("whole"), folder("broken")
    with start(whole) as undisturbed:
        undisturbed.communicate()
    with start(broken) as interrupted:
        assert interrupted.stdout is not None and interrupted.stdout.readline().startswith("epoch   1/2")
        interrupted.kill()
    assert (broken / "weights.training").exists()
    with start(broken) as again:
        assert again.stdout is not None
        said = again.stdout.read()
    assert undisturbed.returncode == again.returncode == 0
    assert "going on after epoch 1" in said and "epoch   1/2" not in said
    assert (broken / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    assert not (broken / "weights.training").exists()


# --- accuracy and equality on the shipped model ----------------------------------------------------------------


def test_digits_keeps_its_accuracy(digits: QuantizedModel) -> None:
    assert digits.float_top1 >= 0.98
    assert abs(digits.float_top1 - digits.qdq_top1) <= 0.005
    assert digits.parameters == 703_386
    assert digits.calibration_samples == 256


def test_digits_keeps_its_accuracy_per_tensor_and_with_moving_averages() -> None:
    other = quantize(load_model(str(DIGITS)), per_channel=False, observer="moving-average")
    assert abs(other.float_top1 - other.qdq_top1) <= 0.005


def test_the_trace_has_every_quantised_tensor_of_the_onnx(digits: QuantizedModel) -> None:
    made = [node.output[0] for node in _graph(digits).node if node.op_type == "QuantizeLinear"]
    assert list(digits.trace) == made == [activation.name for activation in digits.activations]
    assert made[:4] == ["input", "conv1", "maxpool", "layer1.0.conv1"]
    assert made[-4:] == ["layer4.1.add", "avgpool", "flatten", "fc"]
    for activation in digits.activations:
        values = digits.trace[activation.name]
        assert values.dtype == np.int8
        assert values.shape == (LEDGER_SAMPLES, *activation.shape)
        assert activation.sqnr_db > 25
    scores = digits.trace["fc"].argmax(axis=1)
    assert (scores == digits.ledger.labels).mean() >= 0.9


def test_the_trace_starts_with_the_ledgers_inputs(digits: QuantizedModel) -> None:
    first = digits.activations[0]
    scaled = np.round(digits.ledger.inputs_nchw / np.float32(first.scale)) + first.zero_point
    assert np.abs(scaled.clip(-128, 127) - digits.trace["input"]).max() <= 1
    assert (digits.ledger.inputs_nhwc == digits.held_out.inputs_nhwc[:LEDGER_SAMPLES]).all()


def test_onnxruntime_makes_each_tensor_within_1_lsb_from_equal_inputs(digits: QuantizedModel) -> None:
    model = onnx.load_from_string(digits.onnx_bytes)
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in digits.trace:
            node.input[0] += "/given"
    for name, values in digits.trace.items():
        given = onnx.helper.make_tensor_value_info(f"{name}/given", onnx.TensorProto.INT8, (1, *values.shape[1:]))
        model.graph.input.append(given)
        model.graph.output.add(name=name, type=given.type)
    session = _session(model)
    for index, image in enumerate(digits.ledger.inputs_nchw):
        feed = {f"{name}/given": values[index : index + 1] for name, values in digits.trace.items()}
        made = session.run(list(digits.trace), {"input/float": image[None], **feed})
        for (name, values), result in zip(digits.trace.items(), made, strict=True):
            worst = np.abs(result[0].astype(int) - values[index]).max()
            assert worst <= 1, f"{name} of sample {index} is {worst} LSB apart"


def test_onnxruntime_scores_the_same_classes_freely(digits: QuantizedModel) -> None:
    session = _session(onnx.load_from_string(digits.onnx_bytes))
    for image, scores in zip(digits.ledger.inputs_nchw, digits.trace["fc"], strict=True):
        (made,) = session.run(None, {"input/float": image[None]})
        assert made[0].argmax() == scores.argmax()


# --- TFLite's rules in the file --------------------------------------------------------------------------------


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("observer", [*METHODS, "auto"])
def test_the_file_follows_tflites_rules(tiny: Path, per_channel: bool, observer: Any) -> None:
    quantized = quantize(load_model(str(tiny)), per_channel=per_channel, observer=observer)
    graph = _graph(quantized)
    counts = Counter(node.op_type for node in graph.node)
    wanted = {"Conv": 2, "Relu": 2, "MaxPool": 1, "Add": 1, "AveragePool": 1, "Gemm": 1}
    assert {name: counts[name] for name in wanted} == wanted
    assert "BatchNormalization" not in counts

    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    qparams = {
        node.input[0]: (values[node.input[1]], values[node.input[2]])
        for node in graph.node
        if node.op_type == "DequantizeLinear"
    }
    activations = list(quantized.trace)
    assert activations == ["input", "conv", "pool", "branch", "add", "pool2", "mean", "flatten", "fc"]
    assert set(qparams) == {
        *activations, "conv.weight", "conv.bias", "branch.weight", "branch.bias", "fc.weight", "fc.bias"
    }  # fmt: skip
    for name in activations:
        scale, zero_point = qparams[name]
        assert (scale.dtype, scale.shape, zero_point.dtype) == (np.float32, (), np.int8)
    for source, kept in (("conv", "pool"), ("add", "pool2"), ("mean", "flatten")):
        assert qparams[kept] == qparams[source]
    for behind_relu in ("conv", "add"):
        assert qparams[behind_relu][1] == -128

    for layer, source in (("conv", "input"), ("branch", "pool"), ("fc", "flatten")):
        weight, bias = values[f"{layer}.weight"], values[f"{layer}.bias"]
        weight_scale, weight_zero = qparams[f"{layer}.weight"]
        bias_scale, bias_zero = qparams[f"{layer}.bias"]
        assert (weight.dtype, bias.dtype) == (np.int8, np.int32)
        assert np.abs(weight.astype(int)).max() == 127
        # A linear layer's weights are per tensor in TFLite's specification, whatever is asked for.
        assert weight_scale.shape == ((len(weight),) if per_channel and layer != "fc" else ())
        assert not weight_zero.any() and not bias_zero.any()
        np.testing.assert_allclose(bias_scale, qparams[source][0] * weight_scale, rtol=1e-6)
    axes = {
        onnx.helper.get_node_attr_value(node, "axis")
        for node in graph.node
        if node.op_type == "DequantizeLinear" and values[node.input[1]].ndim
    }
    assert axes == ({0} if per_channel else set())


def test_the_same_model_gives_the_same_bytes_and_no_path(tiny: Path) -> None:
    first = quantize(load_model(str(tiny))).onnx_bytes
    assert quantize(load_model(str(tiny))).onnx_bytes == first
    assert str(tiny).encode() not in first
    assert set(re.findall(rb"[\w/.\\-]+\.py", first)) == {b"tiny.py"}  # of the user's lines, without a folder
    facts = {item.key: item.value for item in onnx.load_from_string(first).metadata_props}
    assert facts["edgeq.model"] == "tiny"
    assert facts["edgeq.weights_sha256"] == load_model(str(tiny)).weights_sha256


def test_nodes_say_which_line_they_come_from(tiny: Path) -> None:
    graph = onnx.load_from_string(quantize(load_model(str(tiny))).onnx_bytes).graph
    code = (tiny / "tiny.py").read_text().splitlines()
    lines = {node.name: note.value for node in graph.node for note in node.metadata_props}
    said = {name: code[int(line.removeprefix("tiny.py:")) - 1] for name, line in lines.items()}
    assert "self.bn(self.conv(x))" in said["conv"] and "self.branch(x)" in said["branch"]
    assert "self.branch(x)" in said["add"] and "self.fc(" in said["fc"]
    assert {note.key for node in graph.node for note in node.metadata_props} == {"edgeq.source"}


def test_a_dead_channel_keeps_its_bias(tiny: Path) -> None:
    quantized = quantize(load_model(recipe(tiny, "dead_channel")))
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in _graph(quantized).initializer}
    (dequantise,) = [node for node in _graph(quantized).node if node.input[0] == "branch.bias"]
    assert values["branch.bias"][1] * values[dequantise.input[1]][1] == pytest.approx(3.0, rel=1e-6)


def test_a_dead_channel_would_lose_its_bias_without_room(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.quantize.calibrate.make_room_for_bias", lambda *_: None)
    quantized = quantize(load_model(recipe(tiny, "dead_channel")))
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in _graph(quantized).initializer}
    (dequantise,) = [node for node in _graph(quantized).node if node.input[0] == "branch.bias"]
    assert values["branch.bias"][1] * values[dequantise.input[1]][1] != pytest.approx(3.0, rel=1e-2)


def test_progress_counts_to_the_end(tiny: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    quantize(load_model(str(tiny)), calibration_samples=5, progress=lambda *step: seen.append(step))
    assert list(dict.fromkeys(stage for stage, _, _ in seen)) == [
        "score float",
        "calibrate",
        "export",
        "score INT8",
    ]
    assert {stage: (done, total) for stage, done, total in seen} == {
        "score float": (12, 12), "calibrate": (5, 5), "export": (1, 1), "score INT8": (12, 12)
    }  # fmt: skip


# --- what is refused -------------------------------------------------------------------------------------------


def test_an_operation_without_a_rule_is_named_with_its_place(tiny: Path) -> None:
    with pytest.raises(Unsupported, match="no INT8 rule for gelu; elu in 2") as caught:
        quantize(load_model(recipe(tiny, "with_gelu")))
    assert caught.value.where == "1"  # torch's own forward is no line of the user's


def test_a_forward_that_branches_on_values_is_unsupported(tiny: Path) -> None:
    with pytest.raises(Unsupported, match=r"torch\.export"):
        quantize(load_model(recipe(tiny, "branching")))


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [("failing", "no such luck"), ("not_a_module", "returned a int"), ("absent", "no function absent")],
)
def test_a_factory_that_does_not_make_a_module(tiny: Path, factory: str, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint) as caught:
        load_model(recipe(tiny, factory))
    assert caught.value.where.endswith("tiny.py")


def test_a_broken_python_file(tiny: Path) -> None:
    (tiny / "tiny.py").write_text("def make(:")
    with pytest.raises(BadInput, match="importing it failed"):
        load_model(str(tiny))


def test_weights_load_from_both_formats_and_change_the_digest(tiny: Path) -> None:
    module = load_model(str(tiny)).module
    state = {name: torch.ones_like(tensor) for name, tensor in module.state_dict().items()}
    save_file(state, tiny / "w.safetensors")
    torch.save({"state_dict": state}, tiny / "w.pt")
    loaded = [load_model(recipe(tiny, weights=name)) for name in ("w.safetensors", "w.pt")]
    for model in loaded:
        assert all(bool((tensor == 1).all()) for tensor in model.module.state_dict().values())
        assert not model.module.training
    assert loaded[0].weights_sha256 != loaded[1].weights_sha256


def test_a_data_parallel_checkpoint_without_batch_counts_loads(tiny: Path) -> None:
    state = load_model(str(tiny)).module.state_dict()
    old = {f"module.{name}": tensor + 1 for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save({"state_dict": old}, tiny / "w.th")
    loaded = load_model(recipe(tiny, weights="w.th")).module.state_dict()
    assert set(loaded) == set(state)
    assert all(bool((loaded[name.removeprefix("module.")] == tensor).all()) for name, tensor in old.items())


def test_weights_that_do_not_fit_name_the_first_entry(tiny: Path) -> None:
    state = load_model(str(tiny)).module.state_dict()

    def refused(changed: dict[str, torch.Tensor], complaint: str) -> None:
        save_file(changed, tiny / "w.safetensors")
        with pytest.raises(BadInput, match=complaint):
            load_model(recipe(tiny, weights="w.safetensors"))

    refused({name: tensor for name, tensor in state.items() if name != "fc.bias"}, r"fc\.bias is missing")
    refused({**state, "more": torch.zeros(1)}, "more is not in the network")
    refused({**state, "fc.bias": torch.zeros(3)}, r"fc\.bias is \[3\], the network wants \[2\]")
    refused({**state, "fc.bias": torch.tensor([0.0, torch.nan])}, r"fc\.bias holds NaN")


def test_weights_cannot_run_code(tiny: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tiny / "ran",)

    (tiny / "w.pt").write_bytes(pickle.dumps(Evil()))
    torch.save({"fc.bias": Evil()}, tiny / "z.pt")
    for name in ("w.pt", "z.pt"):
        with pytest.raises(BadInput, match="not readable as weights"):
            load_model(recipe(tiny, weights=name))
    assert not (tiny / "ran").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"PK\x03\x04" + b"\xff" * 64, b"\xff" * 64])
def test_garbage_is_not_weights(tiny: Path, name: str, content: bytes) -> None:
    (tiny / name).write_bytes(content)
    with pytest.raises(BadInput, match="not readable as weights") as caught:
        load_model(recipe(tiny, weights=name))
    assert caught.value.where.endswith(name)


def test_models_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a model"):
        load_model(str(tmp_path / "absent"))
    with pytest.raises(BadInput, match="needs an input shape"):
        load_model(f"{tmp_path}/absent.py:make")
    with pytest.raises(BadInput, match="no such file"):
        load_model(f"{tmp_path}/absent.py:make", input_shape=(1, 8, 8, 1))


def test_an_input_shape_that_the_network_refuses(tiny: Path) -> None:
    with pytest.raises(BadInput, match="refuses an input of"):
        load_model(f"{tiny}/tiny.py:make", input_shape=(1, 8, 8, 3))


def test_data_must_be_there_and_fit(tiny: Path) -> None:
    bare = load_model(f"{tiny}/tiny.py:make", input_shape=(1, 8, 8, 1))
    with pytest.raises(BadInput, match="no data to calibrate"):
        quantize(bare)
    np.savez(tiny / "three.npz", images=np.zeros((9, 8, 8, 1)), labels=np.arange(9) % 3)
    with pytest.raises(BadInput, match="label 2 for a network of 2 classes"):
        quantize(bare, data=DataFacts(name=str(tiny / "three.npz"), held_out=0.4))
    with pytest.raises(BadInput, match="0 calibration samples"):
        quantize(load_model(str(tiny)), calibration_samples=0)
    with pytest.raises(BadInput, match="no observer 'median'"):
        quantize(load_model(str(tiny)), observer="median")  # type: ignore[arg-type]


def test_a_float_accuracy_below_the_recipes_is_a_failed_check(tiny: Path) -> None:
    with (tiny / "model.toml").open("a") as file:
        file.write("[expected]\nfloat_top1 = 1.0\n")
    with pytest.raises(CheckFailed, match=r"expects 1\.0000"):
        quantize(load_model(str(tiny)))


def _graph(quantized: QuantizedModel) -> onnx.GraphProto:
    return onnx.load_from_string(quantized.onnx_bytes).graph


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
