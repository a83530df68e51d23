"""What flows through a calibrated network: its int8 activations, the floats they stand for, the noise between."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.calibrate import Calibrated
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.graphs import Graph, Node, is_dequantise, is_quantise
from edgeq.quantize.noise import channel_spread, channels_db, sqnr_db
from edgeq.quantize.observers import RangeObserver
from edgeq.quantize.ranges import Histogram, Range, fake_quantised, is_clipped, represented


@dataclass(frozen=True)
class Activation:
    """One quantised activation: its label, shape (NCHW without the batch, or [features]), qparams, and what was seen.

    All but `seen` is measured on the samples that `measure` was given. `sqnr_db` is
    10 log10(sum(float^2) / sum((float - dequantised)^2)), noise of all earlier layers included; `own_sqnr_db` is that
    of rounding this tensor alone, `median_channel_db` the median of that over its channels (the second axis) that hold
    anything. All are infinite where nothing was lost. `seen` is the range of its floats in
    calibration, null where its scale is given by rule; `clipped` the share of floats beyond the levels; `levels` how
    many of the 256 occur; `channel_spread` the largest channel's magnitude over the median channel's.
    """

    name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    sqnr_db: float
    own_sqnr_db: float
    median_channel_db: float
    seen: Range | None
    clipped: float
    levels: int
    channel_spread: float
    histogram: Histogram

    @property
    def range(self) -> Range:
        """The floats of the lowest and the highest level."""
        return represented(self.scale, self.zero_point)


def trace(quantised: Graph, labels: Mapping[str, Node], inputs: torch.Tensor) -> dict[str, NDArray[np.int8]]:
    """Run float NCHW `inputs` through the quantised graph; label to int8 [N, ...], as each was quantised."""
    nodes = {label: node.name for label, node in labels.items()}
    values = _values(quantised, set(nodes.values()), inputs)
    return {label: values[name].astype(np.int8) for label, name in nodes.items()}


def measure(
    calibrated: Calibrated,
    labels: Mapping[str, Node],
    inputs: torch.Tensor,
    traced: Mapping[str, NDArray[np.int8]],
) -> tuple[Activation, ...]:
    """The table of activations; `traced` is what `trace` returned for the same float NCHW `inputs`."""
    sources = {label: _float_source(node).name for label, node in labels.items()}
    floats = _values(calibrated.observed, set(sources.values()), inputs)
    observed = {node.name: node for node in calibrated.observed.graph.nodes}
    table = []
    for label, node in labels.items():
        scale, zero_point = qparams_of(node)
        signal, levels = floats[sources[label]], traced[label]
        exact = signal.astype(np.float64)
        bounds = represented(scale, zero_point)
        alone = fake_quantised(exact, bounds)
        table.append(
            Activation(
                label,
                signal.shape[1:],
                scale,
                zero_point,
                sqnr_db=sqnr_db(signal, (levels.astype(np.float64) - zero_point) * scale),
                own_sqnr_db=sqnr_db(exact, alone),
                median_channel_db=statistics.median(channels_db(exact, alone, axis=1) or [math.inf]),
                seen=_seen(calibrated.observed, observed[sources[label]], scale, zero_point),
                clipped=float(is_clipped(exact, bounds).mean()),
                levels=len(np.unique(levels)),
                channel_spread=channel_spread(exact, axis=1),
                histogram=Histogram.of(signal),
            )
        )
    return tuple(table)


def qparams_of(node: Node) -> tuple[float, int]:
    """Scale and zero point of a node that quantises or dequantises per tensor."""
    return float(node.args[1]), int(node.args[2])  # type: ignore[arg-type]  # literals in the graph


def _float_source(quantise: Node) -> Node:
    """What is quantised; of a tensor that is requantised, where it was float."""
    source: Node = quantise.all_input_nodes[0]
    if is_dequantise(source) and is_quantise(source.all_input_nodes[0]):
        return _float_source(source.all_input_nodes[0])
    return source


def _seen(observed: Graph, source: Node, scale: float, zero_point: int) -> Range | None:
    """The extremes that the observer of `source` with those qparams has seen."""
    for observer in _observers(observed, source):
        if observer.histogram is not None and _same(observer.calculate_qparams(), scale, zero_point):
            return observer.histogram.low, observer.histogram.high
    return None


def _observers(observed: Graph, source: Node) -> Iterator[RangeObserver]:
    for user in source.users:
        if user.op == "call_module":
            module = observed.get_submodule(str(user.target))
            if isinstance(module, RangeObserver):
                yield module
            yield from _observers(observed, user)


def _same(qparams: tuple[torch.Tensor, torch.Tensor], scale: float, zero_point: int) -> bool:
    return float(qparams[0]) == scale and int(qparams[1]) == zero_point


class _Recorder(torch.fx.Interpreter):
    """Runs a graph node by node and keeps the results of the wanted ones, by name."""

    def __init__(self, graph: Graph, wanted: set[str]) -> None:
        super().__init__(graph)
        self.kept: dict[str, list[NDArray[Any]]] = {name: [] for name in wanted}

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Past the observers: calibration is over."""
        return args[0]

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if n.name in self.kept:
            # A copy: an in-place ReLU may write into it later.
            self.kept[n.name].append(result.numpy().copy())
        return result


def _values(graph: Graph, wanted: set[str], inputs: torch.Tensor) -> dict[str, NDArray[Any]]:
    recorder = _Recorder(graph, wanted)
    with quiet(), torch.no_grad():
        for index in range(len(inputs)):
            recorder.run(inputs[index : index + 1])
    return {name: np.concatenate(values) for name, values in recorder.kept.items()}
