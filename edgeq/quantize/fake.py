"""torchao's fake quantisation as TFLite's rules want it: floats rounded to int8 levels, gradients passed straight on.

Gradients pass where a value lies inside its range and stop where it is clipped (straight-through estimator). A
weight's range is that of its values at each step; an activation's comes from calibration and stays until the next
(`set_ranges`), so that training sees the scales that the exported network has.
"""

from __future__ import annotations

from typing import Any, cast

from torchao.quantization.pt2e.fake_quantize import FakeQuantize
from torchao.quantization.pt2e.observer import MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver

from edgeq.quantize.graphs import Graph
from edgeq.quantize.observers import Observer, ObserverClass, RangeObserver, activation_observer


class FakeActivation(FakeQuantize):  # type: ignore[misc]  # torchao carries no types
    """Rounds an activation to the scale and zero point it is given."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.disable_observer()


class FakePerChannelWeight(FakeQuantize):  # type: ignore[misc]  # torchao carries no types
    """Rounds a weight by a range per output channel. torchao passes the axis to classes named PerChannel alone."""


def fake_activation(observer: Observer) -> ObserverClass:
    """Fake quantisation of an activation whose ranges an observer of that name finds."""
    made: ObserverClass = FakeActivation.with_args(observer=activation_observer(observer))
    return made


def fake_weight(per_channel: bool) -> ObserverClass:
    """Fake quantisation of a weight by its present extremes, per output channel or of all of it."""
    kind = FakePerChannelWeight if per_channel else FakeQuantize
    present = MovingAveragePerChannelMinMaxObserver if per_channel else MovingAverageMinMaxObserver
    made: ObserverClass = kind.with_args(observer=present, averaging_constant=1.0)
    return made


def set_ranges(training: Graph, observed: Graph) -> None:
    """Give the activations of a graph in training the scales of the same network after calibration."""
    for name, module in training.named_modules():
        if isinstance(module, FakeActivation):
            scale, zero_point = cast(RangeObserver, observed.get_submodule(name)).calculate_qparams()
            module.scale.copy_(scale)
            module.zero_point.copy_(zero_point)
