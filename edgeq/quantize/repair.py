"""Repairs of a quantised graph, layer by layer from the input on: adaptive rounding and bias correction.

Each layer is repaired for the int8 inputs that it really gets from the layers in front of it, repaired already. One
run of the graph over all samples does both.
"""

from __future__ import annotations

from typing import Any

from edgeq.quantize.door import quiet, torch
from edgeq.quantize.graphs import Graph, Layer, Node, constant, layer_of
from edgeq.quantize.rounding import rounded, second_moments

BIAS_MOST = 2**31 - 1


def repair(observed: Graph, quantised: Graph, inputs: torch.Tensor, *, rounding: bool, biases: bool) -> None:
    """Change the int8 weights and int32 biases of `quantised` in place, for float `inputs` [N, C, H, W].

    `rounding` chooses each weight's neighbour (`rounding.py`). `biases` is empirical bias correction (Nagel et al.
    2019, arXiv:1906.04721, section 4.2): a channel's mean output is brought back to what it is in float. `observed` is
    the same network in float, with the same names.
    """
    with quiet(), torch.no_grad():
        means = _Means(observed)
        means.run(inputs)
        _Repair(quantised, observed, means.by_name, rounding, biases).run(inputs)


class _Means(torch.fx.Interpreter):
    """Keeps each weighted layer's mean output by channel."""

    def __init__(self, observed: Graph) -> None:
        super().__init__(observed)
        self.by_name: dict[str, torch.Tensor] = {}

    def run_node(self, n: Node) -> Any:
        if n.op == "call_module":
            return self.env[n.all_input_nodes[0]]  # an observer
        result = super().run_node(n)
        if (layer := layer_of(n)) is not None:
            self.by_name[n.name] = _channel_means(layer, result)
        return result


class _Repair(torch.fx.Interpreter):
    def __init__(
        self, quantised: Graph, observed: Graph, means: dict[str, torch.Tensor], rounding: bool, biases: bool
    ) -> None:
        super().__init__(quantised)
        self.quantised, self.means, self.rounding, self.biases = quantised, means, rounding, biases
        layers = [layer for node in observed.graph.nodes if (layer := layer_of(node)) is not None]
        self.floats = {layer.node.name: _float_weight(observed, layer) for layer in layers}
        self.changed: set[Node] = set()

    def run_node(self, n: Node) -> Any:
        layer = layer_of(n)
        if layer is None:
            return super().run_node(n)
        if self.rounding and not layer.is_transposed and self._is_new(layer.weight):
            self._round(layer)
        result = super().run_node(n)
        if self.biases and layer.bias is not None and self._is_new(layer.bias):
            result = result + self._correct(layer, layer.bias, self.means[n.name] - _channel_means(layer, result))
        return result

    def _is_new(self, dequantise: Node) -> bool:
        """Whether it is a constant, and no other layer has had it changed already."""
        stored = dequantise.all_input_nodes[0]
        known = stored in self.changed or stored.op != "get_attr"
        self.changed.add(stored)
        return not known

    def _round(self, layer: Layer) -> None:
        stored = constant(self.quantised, layer.weight.all_input_nodes[0])
        scale = self._scale(layer.weight).reshape(-1, *[1] * (stored.ndim - 1))
        weights = self.floats[layer.node.name] / scale
        source = self.env[layer.source]
        if layer.is_linear:
            rows = source.reshape(-1, source.shape[-1])
            moments = (rows.T @ rows / len(rows))[None]
        else:
            kernel = (stored.shape[2], stored.shape[3])
            moments = second_moments(source, kernel, layer.stride, layer.padding, layer.dilation, layer.groups)
        parts = weights.flatten(1).chunk(len(moments))
        best = torch.cat([rounded(part, moment) for part, moment in zip(parts, moments, strict=True)])
        stored.copy_(best.reshape(stored.shape))
        self.env[layer.weight] = stored * scale

    def _correct(self, layer: Layer, bias: Node, missing: torch.Tensor) -> torch.Tensor:
        """Add what is missing on average to the bias; returns what was added, to broadcast over the output."""
        stored = constant(self.quantised, bias.all_input_nodes[0])
        scale, before = self._scale(bias), stored.double()
        stored.copy_((before + missing / scale).round().clamp(-BIAS_MOST, BIAS_MOST))
        self.env[bias] = stored * scale
        added = ((stored.double() - before) * scale).float()
        return added if layer.is_linear else added.reshape(-1, 1, 1)

    def _scale(self, dequantise: Node) -> torch.Tensor:
        """The scale of a constant, for each channel or for all."""
        scale = dequantise.args[1]
        return torch.as_tensor(self.fetch_attr(str(scale.target)) if isinstance(scale, Node) else scale)


def _channel_means(layer: Layer, result: torch.Tensor) -> torch.Tensor:
    channels = result.ndim - 1 if layer.is_linear else 1
    return result.mean([axis for axis in range(result.ndim) if axis != channels])


def _float_weight(observed: Graph, layer: Layer) -> torch.Tensor:
    """The weight in front of its observer."""
    weight = layer.weight if layer.weight.op == "get_attr" else layer.weight.all_input_nodes[0]
    return constant(observed, weight).detach()
