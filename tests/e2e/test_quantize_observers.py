"""Observers of activations with torch: what they saw, and the method that `auto` chooses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn
from torchao.quantization.pt2e.observer import UniformQuantizationObserverBase
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from edgeq.quantize.choose import choose_methods
from edgeq.quantize.observers import BIAS_LIMIT, METHODS, RangeObserver, bias_qparams, make_room_for_bias
from edgeq.quantize.rules import TFLiteQuantizer
from edgeq.quantize.simplify import exported


def _observed(module: nn.Module, samples: torch.Tensor) -> torch.fx.GraphModule:
    observed = prepare_pt2e(exported(module, samples[:1]), TFLiteQuantizer(per_channel=True, observer="auto"))
    for sample in samples:
        observed(sample[None])
    return observed


def _observer(**arguments: object) -> RangeObserver:
    return RangeObserver(**arguments, dtype=torch.int8, quant_min=-128, quant_max=127)


def test_minmax_keeps_the_extremes_of_all_samples_and_an_average_forgets() -> None:
    observer = _observer(method="minmax")
    for sample in ([-1.0, 2.0], [-0.5, 10.0], [-3.0, 1.0]):
        observer(torch.tensor(sample))
    assert observer.range("minmax") == (-3, 10)
    low, high = observer.range("moving-average")
    assert low == pytest.approx((-1 + 0.005) - 0.01 * (3 - 0.995))
    assert high == pytest.approx((2 + 0.08) - 0.01 * (2.08 - 1))


def test_qparams_follow_the_method_that_is_set() -> None:
    observer = _observer(method="minmax")
    observer(torch.cat([torch.linspace(0, 1, 100_000), torch.tensor([51.0])]))
    assert observer.calculate_qparams()[0].item() == pytest.approx(51 / 255)
    observer.method = "percentile"
    assert observer.calculate_qparams()[0].item() == pytest.approx(1 / 255, rel=0.02)


class Blind(nn.Module):
    """Two convolutions of one input; `seeing` is the weight of the channel that holds an outlier."""

    def __init__(self, seeing: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 1, bias=False)
        self.conv.weight.data = torch.tensor([1.0, seeing]).reshape(1, 2, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


@pytest.mark.parametrize(("seeing", "clips"), [(0.0, True), (1.0, False)])
def test_auto_judges_by_what_the_next_layer_makes_of_a_tensor(seeing: float, clips: bool) -> None:
    torch.manual_seed(0)
    samples = torch.randn(8, 2, 32, 32)
    samples[:, 1, 0, 0] = 500
    observed = _observed(Blind(seeing), samples)
    chosen = choose_methods(observed, samples)
    first = next(iter(chosen))  # of the input
    observer = observed.get_submodule(first)
    assert observer.method == chosen[first]
    assert (observer.range(chosen[first])[1] < 100) == clips


def test_auto_takes_the_least_of_the_errors_that_it_states() -> None:
    torch.manual_seed(1)
    samples = torch.randn(4, 2, 16, 16) ** 3
    observed = _observed(Blind(0.5), samples)
    chosen = choose_methods(observed, samples)
    conv = Blind(0.5).conv.requires_grad_(False)
    (name, method), *_ = chosen.items()
    observer = observed.get_submodule(name)

    def error(by: str) -> float:
        observer.method = by
        scale, zero_point = observer.calculate_qparams()
        rounded = torch.fake_quantize_per_tensor_affine(samples, scale.item(), int(zero_point), -128, 127)
        return sum(
            float(((conv(a[None]) - conv(b[None])) ** 2).sum() / (conv(b[None]) ** 2).sum())
            for a, b in zip(rounded, samples, strict=True)
        )

    assert error(method) == pytest.approx(min(error(other) for other in METHODS))


# --- weights and biases ------------------------------------------------------------------------------------------

WEIGHTS = arrays.arrays(np.float32, (4, 3, 2), elements=st.floats(-1e3, 1e3, width=32))
BIASES = arrays.arrays(np.float32, 4, elements=st.floats(-1e4, 1e4, width=32))


def _weights_seen(weights: np.ndarray, per_channel: bool) -> UniformQuantizationObserverBase:
    spec = TFLiteQuantizer(per_channel=per_channel, observer="minmax").convolution_weight
    arguments = {"ch_axis": 0} if per_channel else {}
    observer = spec.observer_or_fake_quant_ctr(
        dtype=spec.dtype, quant_min=spec.quant_min, quant_max=spec.quant_max, qscheme=spec.qscheme, **arguments
    )
    observer(torch.from_numpy(weights))
    return observer


@given(WEIGHTS, st.booleans())
def test_weights_are_symmetric_and_use_up_their_127_levels(weights: np.ndarray, per_channel: bool) -> None:
    scale, zero_point = _weights_seen(weights, per_channel).calculate_qparams()
    assert len(scale) == (4 if per_channel else 1)
    assert bool((scale > 0).all()) and bool((zero_point == 0).all())
    levels = np.rint(weights / scale.numpy().reshape(-1, 1, 1))
    assert np.abs(levels).max() <= 127
    for part, channel in zip(levels, weights, strict=True) if per_channel else [(levels, weights)]:
        if np.abs(channel).max() > 1e-3:
            assert np.abs(part).max() == 127


@given(WEIGHTS, BIASES, st.booleans(), st.floats(1e-3, 1e3))
def test_every_bias_fits_with_room_beside_it(
    weights: np.ndarray, bias: np.ndarray, per_channel: bool, high: float
) -> None:
    source, weight = _observer(method="minmax"), _weights_seen(weights, per_channel)
    source(torch.tensor([0.0, high]))
    before, _ = bias_qparams([source, weight])
    make_room_for_bias(source, weight, torch.from_numpy(bias))
    scale, zero_point = bias_qparams([source, weight])
    assert not zero_point.any() and bool((scale >= before).all())
    assert float((torch.from_numpy(bias) / scale).abs().max()) <= BIAS_LIMIT * 1.001
    if float((torch.from_numpy(bias) / before).abs().max()) < BIAS_LIMIT:
        assert bool((scale == before).all())
