"""Float network to quantised graph: export, fold batch norms, observe calibration samples, fix the scales."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from edgeq.errors import EdgeqError, Unsupported
from edgeq.quantize.choose import choose_methods
from edgeq.quantize.door import quiet, torch
from edgeq.quantize.equalise import equalise
from edgeq.quantize.graphs import Graph, constant, layer_of
from edgeq.quantize.observers import make_room_for_bias
from edgeq.quantize.rules import TFLiteQuantizer
from edgeq.quantize.simplify import add_biases, exported

Step = Callable[[int, int], None]

# What the methods of `--observer auto` are compared on.
CHOOSING_SAMPLES = 16

# What tells equalisation which values come in front of a ReLU6.
EQUALISING_SAMPLES = 64


@dataclass(frozen=True)
class Calibrated:
    """One network twice, with the same node names; both take float NCHW of batch 1.

    `observed` computes in float (batch norms folded); `quantised` rounds every activation, weight and bias.
    """

    observed: Graph
    quantised: Graph


def calibrate(
    module: torch.nn.Module,
    quantizer: TFLiteQuantizer,
    samples: torch.Tensor,
    step: Step,
    *,
    biases: bool = False,
    equalised: bool = False,
) -> Calibrated:
    """Quantise `module` with ranges from `samples` (float NCHW); `step(done, total)` follows each sample.

    `biases` gives one to every layer, `equalised` shares out the weights' ranges first.

    Raises:
        Unsupported: torch cannot export the network, or it holds an operation without an INT8 rule.
    """
    return calibrate_graph(float_graph(module, samples, biases=biases, equalised=equalised), quantizer, samples, step)


def float_graph(module: torch.nn.Module, samples: torch.Tensor, *, biases: bool, equalised: bool) -> Graph:
    """The network in float as `calibrate` quantises it; `samples` are float NCHW.

    Raises:
        Unsupported: torch cannot export the network.
    """
    with quiet(), torch.no_grad():
        graph = exported(module, samples[:1])
        if biases:
            add_biases(graph)
        if equalised:
            equalise(graph, samples[:EQUALISING_SAMPLES])
    return graph


def calibrate_graph(graph: Graph, quantizer: TFLiteQuantizer, samples: torch.Tensor, step: Step) -> Calibrated:
    """Quantise a `float_graph`, which is used up, with ranges from `samples`.

    Raises:
        Unsupported: it holds an operation without an INT8 rule.
    """
    with quiet(), torch.no_grad():
        observed = annotated(graph, quantizer, prepare_pt2e)
        for index in range(len(samples)):
            observed(samples[index : index + 1])
            step(index + 1, len(samples))
    return fixed(observed, samples if quantizer.observer == "auto" else None)


def annotated(graph: Graph, quantizer: TFLiteQuantizer, prepare: Callable[[Graph, TFLiteQuantizer], Graph]) -> Graph:
    """The graph with an observer or a fake quantisation at each quantised tensor, as torchao's `prepare` puts them.

    Raises:
        Unsupported: it holds an operation without an INT8 rule.
    """
    try:
        return prepare(graph, quantizer)
    except EdgeqError:
        raise
    except Exception as error:  # torchao asserts and raises whatever it likes about a graph it cannot fold
        raise Unsupported(f"torchao cannot prepare the network: {_first_line(error)}") from error


def fixed(observed: Graph, choose_by: torch.Tensor | None) -> Calibrated:
    """Fix the scales of a graph that has seen its samples; with `choose_by`, by the methods that suit these best."""
    with quiet(), torch.no_grad():
        observed = copy.deepcopy(observed)
        if choose_by is not None:
            choose_methods(observed, choose_by[:CHOOSING_SAMPLES])
        _make_room_for_biases(observed)
        return Calibrated(observed, convert_pt2e(copy.deepcopy(observed), fold_quantize=True))


def _make_room_for_biases(observed: Graph) -> None:
    for node in observed.graph.nodes:
        layer = layer_of(node)
        if layer is not None and layer.bias is not None:
            make_room_for_bias(
                observed.get_submodule(str(layer.source.target)),
                observed.get_submodule(str(layer.weight.target)),
                constant(observed, layer.bias.all_input_nodes[0]),
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
