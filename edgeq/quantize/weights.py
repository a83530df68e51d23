"""What int8 makes of each layer's weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.calibrate import Calibrated
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.graphs import Graph, Layer, Node, constant, is_dequantise, layer_of
from edgeq.quantize.names import maker_of
from edgeq.quantize.noise import channel_spread, channels_db, sqnr_db
from edgeq.quantize.ranges import Histogram, Range

LARGEST_LEVEL = 127


@dataclass(frozen=True)
class Weight:
    """One layer's weight: the layer's label, its shape as torch has it, and what rounding did to it.

    `sqnr_db` is 10 log10(sum(float^2) / sum((float - int8 * scale)^2)) of all of it, `worst_channel_db` the lowest of
    an output channel; both infinite where nothing was lost. `channel_spread` is the largest output channel's magnitude
    over the median one's. `range` is that of the widest scale, whether there is one for each channel or not.
    """

    name: str
    shape: tuple[int, ...]
    per_channel: bool
    sqnr_db: float
    worst_channel_db: float
    channel_spread: float
    range: Range
    histogram: Histogram


def measure_weights(calibrated: Calibrated, labels: Mapping[str, Node]) -> tuple[Weight, ...]:
    """Every layer of a calibrated network, in order."""
    table = []
    known: set[Node] = set()  # a layer's result may be requantised
    with quiet(), torch.no_grad():
        for label, quantise in labels.items():
            layer = layer_of(maker_of(quantise))
            if layer is None or layer.node in known:
                continue
            known.add(layer.node)
            constants = float_constants(calibrated, layer.node)
            if layer.weight in constants:
                made = dequantised(calibrated.quantised, layer.weight).numpy().astype(np.float64)
                scale = widest_scale(calibrated.quantised, layer.weight)
                per_channel = "per_channel" in str(layer.weight.target)
                table.append(_weight(label, layer, constants[layer.weight].numpy(), made, scale, per_channel))
    return tuple(table)


def float_constants(calibrated: Calibrated, node: Node) -> dict[Node, torch.Tensor]:
    """The constants that a node of the quantised graph dequantises, and what they are in float."""
    twins = {twin.name: twin for twin in calibrated.observed.graph.nodes}
    twin = twins.get(node.name)
    if twin is None:
        return {}
    found = {}
    for argument, original in zip(node.all_input_nodes, twin.all_input_nodes, strict=True):
        if is_dequantise(argument) and argument.all_input_nodes[0].op == "get_attr":
            while original.op == "call_module":  # its observer
                original = original.all_input_nodes[0]
            found[argument] = constant(calibrated.observed, original).detach()
    return found


def dequantised(quantised: Graph, node: Node) -> torch.Tensor:
    """What a node that dequantises a constant gives."""
    arguments: Any = torch.fx.node.map_arg(node.args, lambda argument: constant(quantised, argument))
    made: torch.Tensor = node.target(*arguments, **node.kwargs)  # type: ignore[operator]  # a call_function's is callable
    return made


def widest_scale(quantised: Graph, node: Node) -> float:
    """The scale of a node that dequantises a constant; of one for each channel the largest."""
    scale = node.args[1]
    values = constant(quantised, scale) if isinstance(scale, Node) else torch.tensor(scale)
    return float(values.max())


def _weight(
    label: str, layer: Layer, exact: NDArray[np.float32], made: NDArray[np.float64], scale: float, per_channel: bool
) -> Weight:
    axis = 1 if layer.is_transposed else 0
    edge = LARGEST_LEVEL * scale
    return Weight(
        label,
        exact.shape,
        per_channel,
        sqnr_db(exact, made),
        min(channels_db(exact, made, axis), default=math.inf),
        channel_spread(exact, axis),
        (-edge, edge),
        Histogram.of(exact),
    )
