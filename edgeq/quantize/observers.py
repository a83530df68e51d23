"""How a range of floats is found and turned into a scale and a zero point.

torchao's observers, chosen and configured. All of them widen a range to hold zero, so that zero, and with it every
padding, has an exact int8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torchao.quantization.pt2e.observer import (
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    PerChannelMinMaxObserver,
    UniformQuantizationObserverBase,
)

from edgeq.errors import BadInput
from edgeq.quantize.door import torch

Observer = Literal["minmax", "moving-average"]

# A bias stays this far inside int32, so that sums of products have room beside it.
BIAS_LIMIT = 2**30


# torchao carries no types; this is what its observers are here.
ObserverClass = Callable[..., UniformQuantizationObserverBase]


def activation_observer(observer: Observer) -> ObserverClass:
    """Extremes over all calibration samples, or their moving average (each sample weighs 1 %).

    Raises:
        BadInput: an unknown name.
    """
    observers: dict[str, ObserverClass] = {
        "minmax": MinMaxObserver,
        "moving-average": MovingAverageMinMaxObserver,
    }
    if observer not in observers:
        raise BadInput(f"no observer {observer!r}", hint=f"one of {', '.join(observers)}")
    return observers[observer]


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
