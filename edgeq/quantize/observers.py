"""What is observed of a tensor during calibration, and the scale and zero point that follow from it.

Activations are seen by an observer that keeps all it needs for every method of `ranges.py`, so that methods can be
compared after one calibration. Weights and biases have torchao's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from torchao.quantization.pt2e.observer import (
    MinMaxObserver,
    PerChannelMinMaxObserver,
    UniformQuantizationObserverBase,
)

from edgeq.errors import BadInput
from edgeq.quantize import ranges
from edgeq.quantize.door import torch
from edgeq.quantize.ranges import Histogram, Range

Method = Literal["minmax", "moving-average", "percentile", "entropy", "mse"]
Observer = Method | Literal["auto"]
METHODS: tuple[Method, ...] = get_args(Method)

# What a sample weighs in a moving average.
AVERAGING = 0.01

# A bias stays this far inside int32, so that sums of products have room beside it.
BIAS_LIMIT = 2**30


# torchao carries no types; this is what its observers are here.
ObserverClass = Callable[..., UniformQuantizationObserverBase]


class RangeObserver(UniformQuantizationObserverBase):  # type: ignore[misc]  # torchao carries no types
    """Watches an activation; `method` turns what it saw into a range, and may be changed afterwards."""

    def __init__(self, method: Method, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.method = method
        self.histogram: Histogram | None = None
        self.average: Range | None = None

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        seen = Histogram.of(values.detach().numpy())
        self.histogram = seen if self.histogram is None else self.histogram + seen
        if self.average is None:
            self.average = (seen.low, seen.high)
        else:
            low, high = self.average
            self.average = (low + AVERAGING * (seen.low - low), high + AVERAGING * (seen.high - high))
        return values

    def range(self, method: Method) -> Range:
        """The range by that method, holding zero."""
        if self.histogram is None or self.average is None:
            raise ValueError("the observer has not seen a sample")
        if method == "moving-average":
            return ranges.holding_zero(*self.average)
        choose = {
            "minmax": ranges.minmax,
            "percentile": ranges.percentile,
            "entropy": ranges.entropy,
            "mse": ranges.mse,
        }
        return choose[method](self.histogram)

    def calculate_qparams(self) -> tuple[torch.Tensor, torch.Tensor]:
        scale, zero_point = ranges.qparams(self.range(self.method))
        return torch.tensor([scale]), torch.tensor([zero_point])


def activation_observer(observer: Observer) -> ObserverClass:
    """The observer of activations by its name; `auto` starts as `minmax`, see `choose.py`.

    Raises:
        BadInput: an unknown name.
    """
    names: tuple[str, ...] = (*METHODS, "auto")
    if observer not in names:
        raise BadInput(f"no observer {observer!r}", hint=f"one of {', '.join(names)}")
    made: ObserverClass = RangeObserver.with_args(method="minmax" if observer == "auto" else observer)
    return made


def weight_observer(per_channel: bool) -> ObserverClass:
    """Extremes of a weight, per output channel or of all of it."""
    chosen: ObserverClass = PerChannelMinMaxObserver if per_channel else MinMaxObserver
    return chosen


def bias_qparams(
    observers: list[UniformQuantizationObserverBase],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point of a bias from the observers of its layer's input and weight."""
    source_scale, _ = observers[0].calculate_qparams()
    weight_scale, _ = observers[1].calculate_qparams()
    scale = source_scale * weight_scale
    return scale, torch.zeros_like(scale, dtype=torch.int64)


def make_room_for_bias(
    source: UniformQuantizationObserverBase, weight: UniformQuantizationObserverBase, bias: torch.Tensor
) -> None:
    """Widen the range of channels whose weights are so small that their bias would not fit its int32.

    A channel that training has switched off has weights near 0 and a bias that is not; its bias scale (input scale *
    weight scale) would be far too fine. A wider weight range costs such a channel nothing.
    """
    source_scale, _ = source.calculate_qparams()
    needed = 127 * bias.detach().abs() / (source_scale * BIAS_LIMIT)
    if weight.max_val.ndim == 0:
        needed = needed.max()
    weight.max_val.copy_(torch.maximum(weight.max_val, needed))
