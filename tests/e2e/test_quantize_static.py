"""Networks of torch, quantised by onnxruntime instead of edgeq."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from float_nets import assert_equals_tflm, assert_layers_equal, quantised

from edgeq.convert import convert_onnx

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[2]
FORMS: list[dict[str, Any]] = [
    {"per_channel": True},
    {"activations": "QUInt8"},
    {"qoperator": True, "activations": "QUInt8", "weights": "QUInt8"},
    {"qoperator": True, "per_channel": True},
]


def digits() -> tuple[Any, tuple[int, ...]]:
    """The trained model that comes with edgeq."""
    from edgeq.quantize.model import load_model

    loaded = load_model(str(ROOT / "models" / "resnet18-digits"))
    n, h, w, c = loaded.recipe.input.shape
    return loaded.module, (n, c, h, w)


def mobilenet() -> tuple[Any, tuple[int, ...]]:
    """Two inverted residuals of MobileNetV2, as torch writes them."""
    from torch import nn

    def block(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> Any:
        conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(cout), nn.ReLU6())

    class Inverted(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            wide = channels * 4
            narrow = nn.Sequential(nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels))
            self.body = nn.Sequential(block(channels, wide, 1), block(wide, wide, 3, groups=wide), narrow)

        def forward(self, x: Any) -> Any:
            return x + self.body(x)

    torch.manual_seed(0)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 6)]
    return nn.Sequential(block(3, 8, 3, 2), Inverted(8), Inverted(8), *head), (1, 3, 32, 32)


def exported(module: Any, shape: tuple[int, ...], file: Path) -> onnx.ModelProto:
    torch.manual_seed(1)
    program = torch.onnx.export(module.eval(), (torch.randn(shape),), dynamo=True, opset_version=18, verbose=False)
    program.save(str(file))
    model = onnx.load(str(file))
    for node in list(model.graph.node):
        if node.op_type == "ReduceMean":  # which quantize_static leaves in float
            _as_pool(model, node)
    return model


def _as_pool(model: onnx.ModelProto, mean: onnx.NodeProto) -> None:
    """The mean over a picture as the operator of that name."""
    at = list(model.graph.node).index(mean)
    keeps = next((a.i for a in mean.attribute if a.name == "keepdims"), 1)
    x, y = mean.input[0], mean.output[0]
    made = [onnx.helper.make_node("GlobalAveragePool", [x], [y if keeps else f"{y}.pooled"], name=mean.name)]
    if not keeps:
        made.append(onnx.helper.make_node("Flatten", [f"{y}.pooled"], [y], name=f"{mean.name}.flat"))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*rest[:at], *made, *rest[at + 1 :]])


@pytest.mark.parametrize("make", [digits, mobilenet])
def test_torch_by_way_of_onnxruntime(make: Any, tmp_path: Path) -> None:
    model = exported(*make(), tmp_path / "float.onnx")
    for form in FORMS:
        data = quantised(model, tmp_path, **form)
        graph = convert_onnx(data, make.__name__)
        assert not {"TRANSPOSE", "QUANTIZE"} & {node.op for node in graph.nodes}
        assert assert_layers_equal(data, graph, 0) >= 10
        assert_equals_tflm(graph)
