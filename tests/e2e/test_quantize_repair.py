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
from edgeq.quantize.equalise import Group, equalise, groups
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


def _weights_by_channel(graph: torch.fx.GraphModule, group: Group) -> list[torch.Tensor]:
    """The largest magnitude of each shared channel's weights, in each layer that has them."""
    firsts = [constant(graph, layer.weight) for layer in group.firsts]
    seconds = [constant(graph, layer.weight) for layer in group.seconds]
    seconds = [
        weight if layer.groups > 1 else weight.transpose(0, 1)
        for weight, layer in zip(seconds, group.seconds, strict=True)
    ]
    return [weight.flatten(1).abs().amax(1) for weight in (*firsts, *seconds)]


def _peaks(graph: torch.fx.GraphModule, group: Group, samples: torch.Tensor) -> torch.Tensor:
    """Each channel's largest value behind the first of `between`, which is a ReLU."""
    kept: list[torch.Tensor] = []

    class Keeper(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> object:
            result = super().run_node(n)
            if n is group.between[0]:
                kept.append(result.abs().amax((0, 2, 3)))
            return result

    Keeper(graph).run(samples)
    return kept[0]


def test_equalised_layers_have_equal_ranges_and_compute_the_same(samples: torch.Tensor) -> None:
    net = Mobile().eval()
    before = copy.deepcopy(net.state_dict())
    with quiet(), torch.no_grad():
        graph = exported(net, samples[:1])
        wanted = graph(samples)
        assert equalise(graph, samples) == 2
        torch.testing.assert_close(graph(samples), wanted, rtol=1e-4, atol=1e-4)
        for group in groups(graph):
            first, second = _weights_by_channel(graph, group)
            peaks = _peaks(graph, group, samples)
            ratio = first / second
            equal = ratio > 0.99
            assert float(ratio.max()) < 1.01 and int(equal.sum()) >= len(ratio) / 2
            # What was left smaller in front would be the largest between the layers.
            assert bool((peaks[~equal] > 0.9 * peaks[equal].max()).all())
    assert all(bool((before[name] == values).all()) for name, values in net.state_dict().items())


class Residual(nn.Module):
    """A stream of four channels that two layers write and two read, then a mean and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.first = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.last, self.head = nn.Conv2d(4, 6, 1), nn.Linear(6, 2)
        with torch.no_grad():
            for layer in (self.stem, self.first):
                layer.weight[2] *= 50
            for layer in (self.first, self.last):
                layer.weight[:, 2] /= 50

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.stem(x))
        x = F.max_pool2d(F.relu(self.first(x) + x), 2)
        return self.head(torch.flatten(F.relu(self.last(x)).mean((2, 3), keepdim=True), 1))


def test_layers_that_sums_tie_to_the_same_channels_are_equalised_together(samples: torch.Tensor) -> None:
    net = Residual().eval()
    with quiet(), torch.no_grad():
        graph = exported(net, samples[:1])
        assert [(len(group.firsts), len(group.seconds)) for group in groups(graph)] == [(2, 2), (1, 1)]
        equalise(graph, samples)
        torch.testing.assert_close(graph(samples), net(samples), rtol=1e-4, atol=1e-4)
        for group in groups(graph):
            logs = torch.stack([ranges.log() for ranges in _weights_by_channel(graph, group)])
            count = len(group.firsts)
            ratio = (logs[:count].mean(0) - logs[count:].mean(0)).exp()
            assert float(ratio.max()) < 1.01 and float(ratio.min()) > 0.2  # 2500 without


def test_what_others_take_too_is_left_alone(samples: torch.Tensor) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(3, 3, 1) for _ in range(3))
            self.head = nn.Linear(64, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.a(x)
            y = self.b(torch.sigmoid(x)) + x
            y = F.pad(self.c(self.c(y)), (0, 0, 0, 0, 1, 0))  # the same weights twice; another channel
            return self.head(torch.flatten(y, 2).mean(1))

    with quiet():
        assert groups(exported(Shared().eval(), samples[:1])) == []


def test_a_channel_that_is_switched_off_stays_so(samples: torch.Tensor) -> None:
    net = Mobile().eval()
    with torch.no_grad():
        net.expand.weight[7] = 0
        net.norm.running_mean[7] = -0.5
    with quiet(), torch.no_grad():
        graph = exported(net, samples[:1])
        equalise(graph, samples)
        torch.testing.assert_close(graph(samples), net(samples), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gain", [0.2, 3.0])
def test_relu6_clips_what_it_clipped_and_nothing_else(gain: float, samples: torch.Tensor) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(3)
            self.first, self.second = nn.Conv2d(3, 8, 1, bias=False), nn.Conv2d(8, 8, 1, bias=False)
            with torch.no_grad():
                self.first.weight *= gain
                self.first.weight[0] /= 50
                self.second.weight[:, 0] *= 50

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(F.relu6(self.first(x))).mean((2, 3))

    net = Two().eval()
    with quiet(), torch.no_grad():
        graph = exported(net, samples[:1])
        clipped = (net.first(samples) > 6).any(0).flatten(1).any(1)
        assert not bool(clipped[0]) and bool(clipped.any()) == (gain > 1)
        equalise(graph, samples)
        torch.testing.assert_close(graph(samples), net(samples), rtol=1e-4, atol=1e-4)
        (group,) = groups(graph)
        first, second = _weights_by_channel(graph, group)
        assert "aten.relu6.default" in [str(node.target) for node in group.between]
        assert 0.3 < float(first[0] / second[0]) < 1.01  # one in some 2500 without
        assert bool((first[clipped] == net.first.weight.flatten(1).abs().amax(1)[clipped]).all())


def test_equalising_makes_no_channel_so_large_that_relu6_would_clip_it(samples: torch.Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU6(), nn.Conv2d(4, 4, 1), nn.AdaptiveAvgPool2d(1)).eval()
    with quiet(), torch.no_grad():
        net[2].weight.mul_(1000)
        graph = exported(net, samples[:1])
        equalise(graph, samples)
        torch.testing.assert_close(graph(samples), net(samples), rtol=1e-4, atol=1e-2)
        (group,) = groups(graph)
        made = F.conv2d(samples, constant(graph, group.firsts[0].weight)).amax((0, 2, 3))
        torch.testing.assert_close(made, torch.full((4,), 4.0), rtol=1e-3, atol=0)  # 1.5 times that is 6


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
