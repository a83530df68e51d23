"""Repairs against their definitions: equalisation, adaptive rounding, bias correction; the collapse they prevent."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgeq.quantize.calibrate import Calibrated, calibrate
from edgeq.quantize.door import quiet
from edgeq.quantize.effort import REPAIRS, calibrate_and_repair
from edgeq.quantize.equalise import equalise, pairs
from edgeq.quantize.graphs import constant, layer_of
from edgeq.quantize.noise import sqnr_db
from edgeq.quantize.repair import repair
from edgeq.quantize.rounding import output_error, rounded, second_moments
from edgeq.quantize.rules import TFLiteQuantizer
from edgeq.quantize.simplify import exported


class Mobile(nn.Module):
    """An inverted residual without its sum, whose depthwise layer's channels differ as much as `spread` says."""

    def __init__(self, relu: type[nn.Module] = nn.ReLU, spread: float = 50.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.expand = nn.Conv2d(3, 16, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.relu = relu()
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.project = nn.Conv2d(16, 8, 1, bias=False)
        self.head = nn.Linear(128, 4, bias=False)
        with torch.no_grad():
            self.expand.weight[3] *= spread
            self.depthwise.weight[3] /= spread
            self.depthwise.weight[5] *= spread
            self.project.weight[:, 5] /= spread
        for norm in (self.norm, self.norm2):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.fill_(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.expand(x)))
        x = self.relu(self.norm2(self.depthwise(x)))
        return self.head(torch.flatten(self.project(F.avg_pool2d(x, 2)), 1))


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(96, 3, 8, 8)


def _quantised(net: nn.Module, samples: torch.Tensor, *, per_channel: bool, equalised: bool = False) -> Calibrated:
    quantizer = TFLiteQuantizer(per_channel=per_channel, observer="minmax")
    return calibrate(net.eval(), quantizer, samples, lambda _d, _t: None, biases=True, equalised=equalised)


def _db(net: nn.Module, calibrated: Calibrated, samples: torch.Tensor) -> float:
    with torch.no_grad(), quiet():
        return sqnr_db(net(samples).numpy(), calibrated.quantised(samples).numpy())


# --- equalisation ------------------------------------------------------------------------------------------------


def test_equalised_layers_have_equal_ranges_and_compute_the_same(samples: torch.Tensor) -> None:
    net = Mobile().eval()
    before = copy.deepcopy(net.state_dict())
    with quiet(), torch.no_grad():
        graph = exported(net, samples[:1])
        wanted = graph(samples)
        assert equalise(graph) == 2
        torch.testing.assert_close(graph(samples), wanted, rtol=1e-4, atol=1e-4)
        for pair in pairs(graph):
            first, second = constant(graph, pair.first.weight), constant(graph, pair.second.weight)
            inputs = second if pair.second.groups > 1 else second.transpose(0, 1)
            ratio = first.flatten(1).abs().amax(1) / inputs.flatten(1).abs().amax(1)
            torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=0.01, atol=0)
    assert all(bool((before[name] == values).all()) for name, values in net.state_dict().items())


def test_what_is_not_alone_between_two_layers_is_left_alone(samples: torch.Tensor) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(3, 3, 1) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.a(x)
            y = self.b(torch.sigmoid(x)) + x
            return self.c(self.c(y))  # the same weights twice

    with quiet():
        assert pairs(exported(Shared().eval(), samples[:1])) == []


def test_a_channel_that_is_switched_off_stays_so(samples: torch.Tensor) -> None:
    net = Mobile().eval()
    with torch.no_grad():
        net.expand.weight[7] = 0
        net.norm.running_mean[7] = -0.5
    with quiet(), torch.no_grad():
        graph = exported(net, samples[:1])
        equalise(graph)
        torch.testing.assert_close(graph(samples), net(samples), rtol=1e-4, atol=1e-4)


def test_relu6_becomes_relu_where_layers_are_equalised(samples: torch.Tensor) -> None:
    with quiet(), torch.no_grad():
        graph = exported(Mobile(nn.ReLU6).eval(), samples[:1])
        equalise(graph)
    names = [str(node.target) for node in graph.graph.nodes]
    assert "aten.relu6.default" not in names and "aten.relu.default" in names


# --- adaptive rounding -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        ((1, 1), (0, 0), (1, 1), 1),
        ((2, 1), (1, 2), (1, 2), 1),
        ((1, 2), (1, 1), (1, 1), 2),
        ((1, 1), (1, 1), (2, 1), 4),
    ],
)
def test_second_moments_give_the_mean_squared_output_error(
    stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int], groups: int
) -> None:
    torch.manual_seed(2)
    inputs, errors = torch.randn(3, 4, 7, 6), torch.randn(8, 4 // groups, 3, 2)
    moments = second_moments(inputs, (3, 2), stride, padding, dilation, groups)
    output = F.conv2d(inputs, errors, None, stride, padding, dilation, groups)
    wanted = (output**2).mean((0, 2, 3))
    parts = [output_error(part, moment) for part, moment in zip(errors.flatten(1).chunk(groups), moments, strict=True)]
    torch.testing.assert_close(torch.cat(parts), wanted)


def _moments(size: int) -> torch.Tensor:
    inputs = torch.randn(40, size) @ torch.randn(size, size) + 1
    return inputs.T @ inputs / len(inputs)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 10**6))
def test_rounding_takes_neighbours_and_is_never_worse_than_the_nearest(size: int, rows: int, seed: int) -> None:
    torch.manual_seed(seed)
    weights, moments = torch.randn(rows, size) * 80, _moments(size)
    chosen = rounded(weights, moments)
    assert bool(((chosen - weights.clamp(-127, 127)).abs() < 1).all())
    assert bool((chosen == chosen.round()).all()) and float(chosen.abs().max()) <= 127
    damped = moments + torch.eye(size) * 0.01 * moments.diagonal().mean()
    nearest = weights.clamp(-127, 127).round()
    before = output_error(nearest - weights.clamp(-127, 127), damped)
    after = output_error(chosen - weights.clamp(-127, 127), damped)
    assert bool((after <= before * (1 + 1e-5) + 1e-5).all())


def test_rounding_comes_close_to_the_best_of_all_roundings() -> None:
    torch.manual_seed(3)
    weights, moments = torch.rand(20, 8) * 100 - 50, _moments(8)
    damped = moments + torch.eye(8) * 0.01 * moments.diagonal().mean()
    ups = torch.tensor(list(itertools.product((0.0, 1.0), repeat=8)))
    best = torch.stack([output_error(row.floor() + ups - row, damped).min() for row in weights])
    made = output_error(rounded(weights, moments) - weights, damped)
    nearest = output_error(weights.round() - weights, damped)
    assert float(made.mean()) < 0.7 * float(nearest.mean())
    assert float(made.mean()) < 1.5 * float(best.mean())


def test_rounding_a_graph_lowers_its_noise_and_moves_no_weight_by_a_step(samples: torch.Tensor) -> None:
    net = Mobile(spread=1)
    calibrated = _quantised(net, samples, per_channel=False)
    before = _db(net, calibrated, samples)
    old = {name: values.clone() for name, values in calibrated.quantised.named_buffers() if values.dtype == torch.int8}
    repair(calibrated.observed, calibrated.quantised, samples[:48], rounding=True, biases=False)
    new = dict(calibrated.quantised.named_buffers())
    moved = [(new[name].int() - values.int()).abs() for name, values in old.items()]
    assert max(int(part.max()) for part in moved) == 1
    assert _db(net, calibrated, samples) > before + 0.5


# --- bias correction ---------------------------------------------------------------------------------------------


def test_corrected_biases_bring_the_means_back(samples: torch.Tensor) -> None:
    net = Mobile(spread=3)
    calibrated = _quantised(net, samples, per_channel=False)
    repaired = copy.deepcopy(calibrated.quantised)
    repair(calibrated.observed, repaired, samples, rounding=False, biases=True)
    with torch.no_grad(), quiet():
        wanted = net(samples).mean(0)
        before, after = calibrated.quantised(samples).mean(0) - wanted, repaired(samples).mean(0) - wanted
    assert float(after.abs().mean()) < 0.25 * float(before.abs().mean())


def test_every_layer_has_a_bias_to_correct(samples: torch.Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 4, 1, bias=False))
    calibrated = _quantised(net, samples, per_channel=True)
    layers = [layer for node in calibrated.quantised.graph.nodes if (layer := layer_of(node)) is not None]
    assert len(layers) == 2 and all(layer.bias is not None for layer in layers)


# --- all together ------------------------------------------------------------------------------------------------


def test_the_best_effort_recovers_from_channels_blown_up_fifty_times(samples: torch.Tensor) -> None:
    net = Mobile()

    def run(effort: str) -> tuple[float, dict[str, bool]]:
        calibrated, effects = calibrate_and_repair(
            net.eval(),
            samples,
            per_channel=False,
            observer=None,
            repairs=REPAIRS[effort],  # type: ignore[index]
            step=lambda _s, _d, _t: None,
        )
        for effect in effects:
            assert effect.kept == (effect.after_db > effect.before_db)
        return _db(net, calibrated, samples), {effect.repair: effect.kept for effect in effects}

    quick, nothing = run("quick")
    best, kept = run("best")
    assert nothing == {} and list(kept) == ["ranges", "equalisation", "rounding", "bias correction"]
    assert kept["equalisation"]
    assert quick < 15 and best > quick + 12


def test_a_repair_that_makes_it_worse_is_dropped(samples: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(observed: object, quantised: torch.fx.GraphModule, *_args: object, **_kwargs: object) -> None:
        for values in quantised.buffers():
            if values.dtype == torch.int32:
                values.add_(10_000)

    monkeypatch.setattr("edgeq.quantize.effort.repair", spoil)
    net = Mobile(spread=1).eval()
    calibrated, (effect,) = calibrate_and_repair(
        net, samples, per_channel=True, observer=None, repairs=("bias correction",), step=lambda _s, _d, _t: None
    )
    assert not effect.kept and effect.after_db < effect.before_db
    assert _db(net, calibrated, samples[64:]) == pytest.approx(effect.before_db, abs=0.5)
