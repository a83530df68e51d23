"""TFLite's rules operation by operation: which tensors share a scale, what is rewritten, what is refused and where."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgeq.errors import Unsupported
from edgeq.quantize.calibrate import calibrate
from edgeq.quantize.door import quiet
from edgeq.quantize.export import to_onnx
from edgeq.quantize.names import label_activations
from edgeq.quantize.rules import RULES, TFLiteQuantizer
from edgeq.quantize.simplify import exported

Qparams = dict[str, tuple[float, int]]


class Net(nn.Module):
    """A forward of one line, with layers for those who want them."""

    def __init__(self, forward: Callable[[Net, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.even = nn.Conv2d(4, 4, 2, padding="same", dilation=(1, 3))
        self.grouped = nn.Conv2d(4, 6, 3, groups=2, dilation=2)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4, stride=2)
        self.transposed = nn.ConvTranspose2d(4, 6, 2, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.linear = nn.Linear(4, 3)
        self.linear_norm = nn.BatchNorm1d(3)
        self.prelu = nn.PReLU(4)
        self.dropout = nn.Dropout(0.5)
        self.factors = nn.Parameter(torch.rand(1, 4, 1, 1))
        for norm in (self.norm, self.linear_norm):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
        self.line = forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(self, x)


def _scales(net: nn.Module) -> list[tuple[float, int]]:
    """Scale and zero point of each activation, in order."""
    return list(_quantised(net, export=False)[0].values())


def _quantised(net: nn.Module, *, per_channel: bool = True, export: bool = True) -> tuple[Qparams, onnx.GraphProto]:
    """Labels to scale and zero point, and the ONNX graph; what int8 computes is close to the network."""
    torch.manual_seed(1)
    samples = torch.randn(4, 4, 8, 8) * 2
    quantizer = TFLiteQuantizer(per_channel=per_channel, observer="minmax")
    calibrated = calibrate(net.eval(), quantizer, samples, lambda done, total: None)
    with torch.no_grad(), quiet():
        wanted, made = net(samples), calibrated.quantised(samples)
    assert float((made - wanted).abs().max()) < 0.05 * float(wanted.abs().max())
    labels = label_activations(calibrated.quantised)
    graph = onnx.GraphProto()
    if export:
        graph = onnx.load_from_string(to_onnx(calibrated.quantised, samples[:1], {})).graph
    return {label: (float(node.args[1]), int(node.args[2])) for label, node in labels.items()}, graph


KEEPS = {
    "relu": lambda net, x: torch.relu(x),
    "relu6": lambda net, x: F.relu6(x),
    "hardtanh_to_six": lambda net, x: F.hardtanh(x, 0.0, 6.0),
    "clamp_at_zero": lambda net, x: x.clamp(min=0),
    "max_pool": lambda net, x: F.max_pool2d(x, 3, 2, 1),
    "avg_pool": lambda net, x: F.avg_pool2d(x, 2),
    "pad": lambda net, x: F.pad(x, (1, 2, 3, 4)),
    "nearest": lambda net, x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "flatten": lambda net, x: torch.flatten(x, 1),
    "view": lambda net, x: x.view(x.size(0), -1),
    "reshape": lambda net, x: x.reshape(-1, 2, 2, 8, 8),
    "permute": lambda net, x: x.permute(0, 2, 3, 1),
    "transpose": lambda net, x: x.transpose(2, 3),
    "squeeze": lambda net, x: x[:, :, :1].squeeze(2),
    "unsqueeze": lambda net, x: x.unsqueeze(1),
    "chunk": lambda net, x: x.chunk(2, 1)[1],
    "split": lambda net, x: x.split([1, 3], 1)[1],
    "cat": lambda net, x: torch.cat([x, torch.relu(x)], 1),
}


@pytest.mark.parametrize("name", KEEPS)
def test_what_picks_moves_or_joins_values_keeps_the_scale(name: str) -> None:
    scales = _scales(Net(KEEPS[name]))
    assert len(scales) > 1 and len(set(scales)) == 1


OWN = {
    "mean": lambda net, x: x.mean((2, 3)),
    "adaptive": lambda net, x: F.adaptive_avg_pool2d(x, 1),
    "leaky_relu": lambda net, x: F.leaky_relu(x, 0.1),
    "prelu": lambda net, x: net.prelu(x),
    "hard_swish": lambda net, x: F.hardswish(x),
    "hard_sigmoid": lambda net, x: F.hardsigmoid(x),
    "add": lambda net, x: x + torch.relu(x),
    "sub": lambda net, x: torch.relu(x) - x,
    "mul": lambda net, x: x * torch.relu(x),
    "times_constant": lambda net, x: x * 3.0,
    "over_constant": lambda net, x: x / 3,
    "from_constant": lambda net, x: 1 - x,
    "times_parameter": lambda net, x: x * net.factors,
    "silu": lambda net, x: F.silu(x),
    "excite": lambda net, x: x * torch.sigmoid(net.conv(F.adaptive_avg_pool2d(x, 1))),
    "grouped": lambda net, x: net.grouped(x),
    "depthwise": lambda net, x: net.depthwise(x),
    "transposed": lambda net, x: net.transposed(x),
    "same": lambda net, x: net.even(x),
    "norm_alone": lambda net, x: net.norm(torch.relu(x)),
    "norm_first": lambda net, x: net.norm(x),
    "linear_norm": lambda net, x: net.linear_norm(net.linear(x.mean((2, 3)))),
    "dropout": lambda net, x: net.conv(net.dropout(x)),
}


@pytest.mark.parametrize("name", OWN)
def test_what_computes_has_a_scale_of_its_own(name: str) -> None:
    found, graph = _quantised(Net(OWN[name]))
    values = list(found.values())
    assert values[-1] not in values[:-1]
    assert not {node.op_type for node in graph.node} & {"BatchNormalization", "Dropout", "Identity"}


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        (lambda net, x: torch.sigmoid(x), (1 / 256, -128)),
        (lambda net, x: F.softmax(x.mean((2, 3)), 1), (1 / 256, -128)),
        (lambda net, x: torch.tanh(x), (1 / 128, 0)),
    ],
)
@pytest.mark.parametrize("behind", [None, torch.flatten, lambda y: y.chunk(2, 1)[0]])
def test_scales_that_tflite_prescribes(line: Callable, fixed: tuple[float, int], behind: Callable | None) -> None:
    scales = _scales(Net(line if behind is None else lambda net, x: behind(line(net, x))))
    assert set(scales[scales.index(fixed) :]) == {fixed}


def test_a_sigmoid_is_requantised_before_it_is_joined_with_something_wider() -> None:
    found, graph = _quantised(Net(lambda net, x: torch.cat([torch.sigmoid(x), x, torch.sigmoid(x)], 1)))
    assert found["sigmoid"] == (1 / 256, -128)
    assert found["cat"] == found["input"] == found["sigmoid_1"] != found["sigmoid"]
    (joined,) = [node for node in graph.node if node.op_type == "Concat"]
    assert len(joined.input) == 3


@pytest.mark.parametrize("relu", [F.relu, F.relu6])
def test_a_relu_is_part_of_what_is_in_front_of_it(relu: Callable) -> None:
    lines = (lambda net, x: relu(net.conv(x)), lambda net, x: relu(x + net.conv(x)), lambda net, x: relu(net.norm(x)))
    for line, count in zip(lines, (2, 3, 2), strict=True):
        scales = _scales(Net(line))
        assert len(scales) == count and scales[-1][1] == -128


def test_a_transposed_convolution_has_a_weight_scale_for_each_output_channel() -> None:
    _, graph = _quantised(Net(lambda net, x: net.transposed(x)))
    values = {tensor.name: tensor for tensor in graph.initializer}
    (weight,) = [node for node in graph.node if node.input[0] == "transposed.weight"]
    assert onnx.helper.get_node_attr_value(weight, "axis") == 1
    assert list(values[weight.input[1]].dims) == [6] and list(values["transposed.weight"].dims) == [4, 6, 2, 2]
    (bias,) = [node for node in graph.node if node.input[0] == "transposed.bias"]
    assert list(values[bias.input[1]].dims) == [6]
    _quantised(Net(lambda net, x: net.transposed(x)), per_channel=False)


@pytest.mark.parametrize("name", [*KEEPS, *OWN])
def test_simplifying_keeps_the_function_and_takes_batches(name: str) -> None:
    net = Net({**KEEPS, **OWN}[name]).eval()
    samples = torch.randn(3, 4, 8, 8)
    with quiet(), torch.no_grad():
        graph = exported(net, samples[:1])
        torch.testing.assert_close(graph(samples), net(samples))
    targets = {node.target for node in graph.graph.nodes if node.op == "call_function"}
    assert targets <= set(RULES)


REFUSED = {
    "gelu": ("no INT8 rule for gelu", lambda net, x: F.gelu(x)),
    "adaptive": (r"adaptive pooling to \[2, 2\]", lambda net, x: F.adaptive_avg_pool2d(x, 2)),
    "pad": ("padding by constant 1.0", lambda net, x: F.pad(x, (1, 1), value=1.0)),
    "reflect": ("padding by reflect", lambda net, x: F.pad(x, (1, 1, 1, 1), mode="reflect")),
    "factor": ("add with a factor", lambda net, x: torch.add(x, x, alpha=2)),
    "norm": ("a batch norm of 2 dimensions", lambda net, x: nn.BatchNorm1d(4).eval()(x.mean((2, 3)))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_is_refused_before_anything_is_computed(name: str) -> None:
    with pytest.raises(Unsupported, match=REFUSED[name][0]):
        _scales(Net(REFUSED[name][1]))


class Strange(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(x)
        return F.gelu(x)  # named


def test_each_operation_without_a_rule_is_named_with_the_users_line() -> None:
    with pytest.raises(Unsupported) as caught:
        _scales(nn.Sequential(Strange(), nn.ELU()))
    first = Strange.forward.__code__.co_firstlineno
    assert caught.value.where == f"0.gelu ({__file__}:{first + 2})"
    assert caught.value.what == "there is no INT8 rule for gelu; elu in 1"  # Sequential's forward is not the user's
