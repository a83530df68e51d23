"""What flows through a calibrated network: its int8 activations, the floats they stand for, the noise between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.quantize.calibrate import Calibrated
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.noise import sqnr_db


@dataclass(frozen=True)
class Activation:
    """One quantised activation: its label, shape (NCHW without the batch, or [features]), qparams and SQNR.

    `sqnr_db` is 10 log10(sum(float^2) / sum((float - dequantised)^2)) over the samples it was measured on, noise of
    all earlier layers included; infinite where nothing was lost.
    """

    name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    sqnr_db: float


def trace(
    quantised: torch.fx.GraphModule, labels: Mapping[str, torch.fx.Node], inputs: torch.Tensor
) -> dict[str, NDArray[np.int8]]:
    """Run float NCHW `inputs` through the quantised graph; label to int8 [N, ...], as each was quantised."""
    wanted = {node.name: label for label, node in labels.items()}
    return {label: values.astype(np.int8) for label, values in _values(quantised, wanted, inputs).items()}


def measure(
    calibrated: Calibrated,
    labels: Mapping[str, torch.fx.Node],
    inputs: torch.Tensor,
    traced: Mapping[str, NDArray[np.int8]],
) -> tuple[Activation, ...]:
    """The table of activations; `traced` is what `trace` returned for the same float NCHW `inputs`."""
    sources = {str(node.args[0]): label for label, node in labels.items()}
    floats = _values(calibrated.observed, sources, inputs)
    table = []
    for label, node in labels.items():
        scale, zero_point = float(node.args[1]), int(node.args[2])  # type: ignore[arg-type]  # literals in the graph
        signal, made = floats[label], (traced[label].astype(np.float64) - zero_point) * scale
        table.append(Activation(label, signal.shape[1:], scale, zero_point, sqnr_db(signal, made)))
    return tuple(table)


class _Recorder(torch.fx.Interpreter):
    """Runs a graph node by node and keeps the results of the wanted ones."""

    def __init__(self, graph: torch.fx.GraphModule, wanted: Mapping[str, str]) -> None:
        super().__init__(graph)
        self.wanted = wanted
        self.kept: dict[str, list[NDArray[Any]]] = {label: [] for label in wanted.values()}

    def run_node(self, n: torch.fx.Node) -> Any:
        result = super().run_node(n)
        if n.name in self.wanted:
            # A copy: an in-place ReLU may write into it later.
            self.kept[self.wanted[n.name]].append(result.numpy().copy())
        return result


def _values(graph: torch.fx.GraphModule, wanted: Mapping[str, str], inputs: torch.Tensor) -> dict[str, NDArray[Any]]:
    recorder = _Recorder(graph, wanted)
    with quiet(), torch.no_grad():
        for index in range(len(inputs)):
            recorder.run(inputs[index : index + 1])
    return {label: np.concatenate(values) for label, values in recorder.kept.items()}
