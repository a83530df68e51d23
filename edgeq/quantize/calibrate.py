"""Float network to quantised graph: export, fold batch norms, observe calibration samples, fix the scales."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgeq.errors import EdgeqError, Unsupported
from edgeq.quantize.choose import choose_methods
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.graphs import WEIGHTED, constant
from edgeq.quantize.observers import make_room_for_bias
from edgeq.quantize.rules import TFLiteQuantizer
from edgeq.quantize.simplify import exported

Step = Callable[[int, int], None]

# What the methods of `--observer auto` are compared on.
CHOOSING_SAMPLES = 16


@dataclass(frozen=True)
class Calibrated:
    """One network twice, with the same node names; both take float NCHW of batch 1.

    `observed` computes in float (batch norms folded); `quantised` rounds every activation, weight and bias.
    """

    observed: torch.fx.GraphModule
    quantised: torch.fx.GraphModule


def calibrate(module: torch.nn.Module, quantizer: TFLiteQuantizer, samples: torch.Tensor, step: Step) -> Calibrated:
    """Quantise `module` with ranges from `samples` (float NCHW); `step(done, total)` follows each sample.

    Raises:
        Unsupported: torch cannot export the network, or it holds an operation without an INT8 rule.
    """
    with quiet(), torch.no_grad():
        graph = exported(module, samples[:1])
        try:
            observed = prepare_pt2e(graph, quantizer)
        except EdgeqError:
            raise
        except Exception as error:  # torchao asserts and raises whatever it likes about a graph it cannot fold
            raise Unsupported(f"torchao cannot prepare the network: {_first_line(error)}") from error
        for index in range(len(samples)):
            observed(samples[index : index + 1])
            step(index + 1, len(samples))
        if quantizer.observer == "auto":
            choose_methods(observed, samples[:CHOOSING_SAMPLES])
        _make_room_for_biases(observed)
        quantised = convert_pt2e(copy.deepcopy(observed), fold_quantize=True)
    return Calibrated(observed, quantised)


def _make_room_for_biases(observed: torch.fx.GraphModule) -> None:
    for node in observed.graph.nodes:
        if node.target not in WEIGHTED or len(node.args) < 3 or node.args[2] is None:
            continue
        source, weight, bias = node.args[:3]
        make_room_for_bias(
            observed.get_submodule(source.target),
            observed.get_submodule(weight.target),
            constant(observed, bias.args[0]),
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
