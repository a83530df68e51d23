"""What the quantiser says of accuracy, each number against its definition: trace.py, weights.py, leave_one_out.py."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgeq.quantize.calibrate import Calibrated, calibrate
from edgeq.quantize.graphs import Node
from edgeq.quantize.leave_one_out import FEWEST, MOST, LeaveOneOut, affordable_samples, leave_one_out, shared_scales
from edgeq.quantize.names import label_activations
from edgeq.quantize.noise import channel_spread, sqnr_db
from edgeq.quantize.observers import Observer
from edgeq.quantize.rules import TFLiteQuantizer
from edgeq.quantize.trace import Activation, measure, qparams_of, trace
from edgeq.quantize.weights import measure_weights


def _calibrated(
    net: nn.Module, samples: torch.Tensor, *, per_channel: bool = True, observer: Observer = "minmax"
) -> tuple[Calibrated, dict[str, Node]]:
    quantizer = TFLiteQuantizer(per_channel=per_channel, observer=observer)
    made = calibrate(net.eval(), quantizer, samples, lambda _d, _t: None)
    return made, label_activations(made.quantised)


def _measured(net: nn.Module, samples: torch.Tensor, inputs: torch.Tensor) -> dict[str, Activation]:
    made, labels = _calibrated(net, samples)
    table = measure(made, labels, inputs, trace(made.quantised, labels, inputs))
    return {activation.name: activation for activation in table}


def _uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.rand(*shape) * 2 - 1


def _costs(
    calibrated: Calibrated,
    labels: dict[str, Node],
    inputs: torch.Tensor,
    classes: np.ndarray | None = None,
    batch: int = 8,
) -> LeaveOneOut:
    wanted = np.zeros(len(inputs), np.int64) if classes is None else classes
    return leave_one_out(calibrated, labels, inputs, wanted, lambda _d, _t: None, batch=batch)


class TwoLayers(nn.Module):
    """1x1 convolutions with a ReLU between them, and the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.flatten(self.b(torch.relu_(self.a(x))).mean((2, 3)), 1)


# --- activations -------------------------------------------------------------------------------------------------


def test_values_beyond_the_levels_are_the_clipped_share() -> None:
    samples = torch.cat([_uniform(40, 1, 4, 4), torch.full((1, 1, 4, 4), -1.0), torch.full((1, 1, 4, 4), 1.0)])
    inputs = torch.zeros(4, 1, 4, 4)
    inputs[0, 0, 0, :3] = torch.tensor([1.5, -2.0, 1.0])  # two of 64 values lie beyond -1..1
    found = _measured(nn.Conv2d(1, 1, 1), samples, inputs)["input"]
    assert found.clipped == 2 / 64
    assert found.seen == (-1.0, 1.0)  # calibration's, whatever came later
    assert found.levels == 3  # 0, the lowest, the highest
    assert found.range[0] == pytest.approx(-1, abs=found.scale) and found.range[1] == pytest.approx(1, abs=found.scale)
    assert found.range[1] - found.range[0] == pytest.approx(255 * found.scale)


def test_noise_of_a_tensor_alone_and_of_all_before_it() -> None:
    net, samples, inputs = TwoLayers(), _uniform(40, 2, 4, 4), _uniform(3, 2, 4, 4, seed=1)
    made, labels = _calibrated(net, samples)
    traced = trace(made.quantised, labels, inputs)
    rows = {activation.name: activation for activation in measure(made, labels, inputs, traced)}
    with torch.no_grad():
        exact = torch.relu(net.a(inputs))
    scale, zero_point = rows["a"].scale, rows["a"].zero_point
    rounded = torch.fake_quantize_per_tensor_affine(exact, scale, zero_point, -128, 127)
    assert rows["a"].own_sqnr_db == pytest.approx(sqnr_db(exact.numpy(), rounded.numpy()), abs=1e-3)
    dequantised = (traced["a"].astype(float) - zero_point) * scale
    assert rows["a"].sqnr_db == pytest.approx(sqnr_db(exact.numpy(), dequantised), abs=1e-4)
    by_channel = sorted(sqnr_db(exact[:, c].numpy(), rounded[:, c].numpy()) for c in range(3))
    assert rows["a"].median_channel_db == pytest.approx(by_channel[1], abs=1e-3)
    assert rows["a"].sqnr_db < rows["a"].own_sqnr_db
    assert rows["input"].sqnr_db == pytest.approx(rows["input"].own_sqnr_db, abs=0.05)
    assert rows["a"].histogram.counts.sum() == exact.numel()


def test_the_spread_is_the_largest_channel_over_the_median_one() -> None:
    values = np.array([[1.0, -4.0, 2.0, 0.0], [-0.5, 3.0, 1.0, 0.0]])
    assert channel_spread(values, axis=1) == 4 / 2  # of 1, 4, 2; the empty channel counts for nothing
    assert channel_spread(values, axis=0) == 4 / 3.5
    assert channel_spread(np.zeros((2, 3)), axis=1) == 1


def test_a_tensor_that_is_requantised_is_measured_against_the_same_floats() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([torch.sigmoid(self.a(x)), 4 + self.b(x)], 1).mean((2, 3))

    rows = _measured(Joined(), _uniform(40, 2, 4, 4), _uniform(4, 2, 4, 4, seed=1))
    first, again = rows["sigmoid"], rows["sigmoid_1"]
    assert first.seen is None  # 1/256 by rule
    assert again.seen is not None and again.scale > first.scale
    assert again.own_sqnr_db < first.own_sqnr_db
    assert (again.histogram.low, again.histogram.high) == (first.histogram.low, first.histogram.high)


# --- weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_channel", [True, False])
def test_noise_of_weights(per_channel: bool) -> None:
    net = nn.Conv2d(2, 3, 1, bias=False)
    weight = np.array([[8.0, 0.03], [0.0, 0.0], [1.0, -0.7]], np.float32)
    with torch.no_grad():
        net.weight.copy_(torch.from_numpy(weight[:, :, None, None]))
    (found,) = measure_weights(*_calibrated(net, _uniform(40, 2, 4, 4), per_channel=per_channel))
    scales = np.array([[8 / 127], [1.0], [1 / 127]]) if per_channel else 8 / 127
    rounded = np.rint(weight / scales) * scales
    assert found.sqnr_db == pytest.approx(sqnr_db(weight, rounded), abs=1e-3)
    assert found.worst_channel_db == pytest.approx(min(sqnr_db(weight[i], rounded[i]) for i in (0, 2)), abs=1e-3)
    assert found.channel_spread == pytest.approx(8 / 4.5)  # the switched-off channel counts for nothing
    assert found.range == pytest.approx((-8, 8))
    assert (found.name, found.shape, found.per_channel) == ("conv2d", (3, 2, 1, 1), per_channel)


def test_a_layer_of_zeros_lost_nothing() -> None:
    net = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        net.weight.zero_()
    (found,) = measure_weights(*_calibrated(net, _uniform(40, 1, 2, 2)))
    assert found.sqnr_db == found.worst_channel_db == math.inf and found.channel_spread == 1


# --- leaving one out ---------------------------------------------------------------------------------------------


def test_a_layer_left_out_is_float_and_everything_else_is_int8() -> None:
    """Each cost against the network written out with one part in float."""
    net, samples, inputs = TwoLayers(), _uniform(40, 2, 4, 4), _uniform(9, 2, 4, 4, seed=1)
    made, labels = _calibrated(net, samples)
    qparams = {name: qparams_of(node) for name, node in labels.items()}
    assert list(qparams) == ["input", "a", "b", "mean", "flatten"]

    def output(left_out: str) -> torch.Tensor:
        def act(name: str, x: torch.Tensor) -> torch.Tensor:
            scale, zero_point = qparams[name]
            return x if name == left_out else torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)

        def layer(name: str, source: str, x: torch.Tensor) -> torch.Tensor:
            conv = getattr(net, name)
            if name == left_out:
                return F.conv2d(x, conv.weight, conv.bias)
            scale = conv.weight.abs().amax((1, 2, 3)) / 127
            weight = (conv.weight / scale.reshape(-1, 1, 1, 1)).round() * scale.reshape(-1, 1, 1, 1)
            bias_scale = scale * qparams[source][0]
            return F.conv2d(x, weight, (conv.bias / bias_scale).round() * bias_scale)

        x = act("input", inputs)
        x = act("a", torch.relu(layer("a", "input", x)))
        x = act("b", layer("b", "a", x))
        return act("mean", x.mean((2, 3)))

    with torch.no_grad():
        wanted = net(inputs)
        classes = wanted.argmax(1).numpy()
        found = _costs(made, labels, inputs, classes)
        base = output("")
        assert found.sqnr_db == pytest.approx(sqnr_db(wanted.numpy(), base.numpy()), abs=0.02)
        assert found.samples == 9 and found.top1 == float((base.argmax(1).numpy() == classes).mean())
        assert {cost.names for cost in found.costs} == {("input",), ("a",), ("b",), ("mean", "flatten")}
        for cost in found.costs:
            made_output = output(cost.names[0])
            assert cost.sqnr_db == pytest.approx(sqnr_db(wanted.numpy(), made_output.numpy()), abs=0.02), cost.names
            assert cost.gain_db == cost.sqnr_db - found.sqnr_db
            top1 = float((made_output.argmax(1).numpy() == classes).mean())
            assert cost.top1_gain == pytest.approx(top1 - found.top1)
    gains = [cost.gain_db for cost in found.costs]
    assert gains == sorted(gains, reverse=True)


class Branches(nn.Module):
    """In-place operations, fan-out, a concatenation, pooling."""

    def __init__(self, *, inplace: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.c = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 1), nn.Conv2d(8, 4, 1)
        self.inplace = inplace

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.a(x), self.b(x)
        a = torch.relu_(a) if self.inplace else torch.relu(a)
        y = self.c(torch.cat([F.max_pool2d(a, 2), F.max_pool2d(b, 2)], 1))
        pooled = F.max_pool2d(b, 2)
        y = y.add_(pooled) if self.inplace else y + pooled
        return y.mean((2, 3))


def test_operations_in_place_change_nothing_and_neither_do_batches() -> None:
    samples, inputs = _uniform(40, 2, 4, 4), _uniform(7, 2, 4, 4, seed=1)
    tables = []
    for inplace, batch in ((False, 8), (True, 8), (True, 3), (True, 1)):
        made, labels = _calibrated(Branches(inplace=inplace), samples)
        found = _costs(made, labels, inputs, batch=batch)
        tables.append({cost.names: cost.sqnr_db for cost in found.costs} | {(): found.sqnr_db})
    for table in tables[1:]:
        assert table == pytest.approx(tables[0], abs=1e-4)


def test_what_shares_a_scale_is_left_out_together() -> None:
    _, labels = _calibrated(Branches(inplace=True), _uniform(40, 2, 4, 4))
    groups = shared_scales(labels)
    assert sorted(name for group in groups for name in group) == sorted(labels)
    (joined,) = [group for group in groups if "cat" in group]
    assert {"a", "b", "cat"} <= set(joined) and "c" not in joined
    assert list(joined) == sorted(joined, key=list(labels).index)


def test_the_layer_that_is_spoiled_costs_most() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(4)
            self.layers = nn.ModuleList(nn.Conv2d(6, 6, 1) for _ in range(4))
            with torch.no_grad():
                self.layers[2].weight[3] *= 200  # type: ignore[index]  # a convolution's
                self.layers[3].weight[:, 3] /= 200  # type: ignore[index]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = torch.relu(layer(x))
            return x.mean((2, 3))

    made, labels = _calibrated(Deep(), _uniform(64, 6, 4, 4), per_channel=False)
    found = _costs(made, labels, _uniform(8, 6, 4, 4, seed=1))
    assert found.costs[0].names == ("layers.2",) and found.costs[0].gain_db > 3
    (weight,) = [w for w in measure_weights(made, labels) if w.name == "layers.2"]
    assert weight.channel_spread > 50 and weight.worst_channel_db < 5


def test_measuring_leaves_the_network_as_it_was() -> None:
    samples, inputs = _uniform(40, 2, 4, 4), 9 * _uniform(4, 2, 4, 4, seed=1)
    made, labels = _calibrated(Branches(inplace=True), samples)
    before = trace(made.quantised, labels, inputs)
    first = measure(made, labels, inputs, before)
    _costs(made, labels, inputs)
    after = trace(made.quantised, labels, inputs)
    assert all(np.array_equal(values, after[name]) for name, values in before.items())
    again = measure(made, labels, inputs, after)
    assert [a.seen for a in first] == [a.seen for a in again]
    assert first[0].seen is not None and max(map(abs, first[0].seen)) <= 1  # not the nine of the samples measured


def test_the_budget_is_in_values_of_activations() -> None:
    def with_values(count: int) -> int:
        activation = _measured(nn.Conv2d(1, 1, 1), _uniform(4, 1, 2, 2), _uniform(2, 1, 2, 2))["input"]
        return affordable_samples([Activation(**{**vars(activation), "shape": (count // 2, 2)})])

    assert with_values(64 * 2**20 // 100) == 100
    assert with_values(2**30) == FEWEST and with_values(2) == MOST
