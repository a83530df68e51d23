"""Cross-layer equalisation (Nagel et al. 2019, arXiv:1906.04721): neighbouring layers share out their channels' ranges.

Between two layers with nothing but ReLU and pooling between them, channel i of the first may be divided by s and the
second's weights for it multiplied by s: the network computes the same. With s = sqrt(r1 r2) / r2, where r1 and r2 are
the largest magnitudes of channel i's weights in either layer, both become sqrt(r1 r2), and no channel drowns in
another's scale. A ReLU6 between them becomes a ReLU, since its 6 would have to differ by channel; that does change
the network where activations exceed 6, and is why the effect is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.quantize.door import torch
from edgeq.quantize.graphs import Graph, Layer, Node, aten, constant, layer_of

# What gives s f(x) for f(s x), channel by channel, for s > 0.
BETWEEN = {
    aten.relu.default,
    aten.relu_.default,
    aten.relu6.default,
    aten.relu6_.default,
    aten.leaky_relu.default,
    aten.leaky_relu_.default,
    aten.max_pool2d.default,
    aten.avg_pool2d.default,
    aten.adaptive_avg_pool2d.default,
    aten.pad.default,
}
SIXES = {aten.relu6.default: aten.relu.default, aten.relu6_.default: aten.relu_.default}
ROUNDS = 30
SETTLED = 1e-3


@dataclass(frozen=True)
class Pair:
    """Two layers and what lies between them; every result in it has one user."""

    first: Layer
    between: tuple[Node, ...]
    second: Layer


def pairs(graph: Graph) -> list[Pair]:
    """All pairs that can be equalised, in order."""
    found = []
    for node in graph.graph.nodes:
        first = layer_of(node)
        if first is None or first.is_transposed or not _own_weights(first):
            continue
        between: list[Node] = []
        at = node
        while len(at.users) == 1 and (user := next(iter(at.users))).target in BETWEEN:
            between.append(user)
            at = user
        second = layer_of(next(iter(at.users))) if len(at.users) == 1 else None
        if second is not None and second.source is at and _own_weights(second) and _takes_channels(second, graph):
            found.append(Pair(first, tuple(between), second))
    return found


def equalise(graph: Graph) -> int:
    """Equalise all pairs of a graph in place, in rounds until their scales settle; returns how many pairs there are.

    Layers get biases and weights of their own, so that the user's module keeps its.
    """
    found = pairs(graph)
    for pair in found:
        for node in pair.between:
            for six, without_six in SIXES.items():
                if node.target is six:
                    node.target = without_six
    for node in {node for pair in found for layer in (pair.first, pair.second) for node in _constants(layer)}:
        _copy(graph, node)
    for _ in range(ROUNDS):
        changes = [_equalise(graph, pair) for pair in found]
        if max(changes, default=0.0) < SETTLED:
            break
    graph.recompile()
    return len(found)


def _equalise(graph: Graph, pair: Pair) -> float:
    """Share out the ranges of one pair; returns the largest |log s|."""
    first, second = constant(graph, pair.first.weight), constant(graph, pair.second.weight)
    inputs = second if pair.second.groups > 1 else second.transpose(0, 1)  # a view with the input channel in front
    range_1, range_2 = first.flatten(1).abs().amax(1), inputs.flatten(1).abs().amax(1)
    scales = torch.sqrt(range_1 * range_2) / range_2
    scales[(range_1 == 0) | (range_2 == 0)] = 1  # a channel that is switched off
    first.div_(scales.reshape(-1, *[1] * (first.ndim - 1)))
    if pair.first.bias is not None:
        constant(graph, pair.first.bias).div_(scales)
    inputs.mul_(scales.reshape(-1, *[1] * (inputs.ndim - 1)))
    return float(scales.log().abs().max())


def _takes_channels(layer: Layer, graph: Graph) -> bool:
    """Whether an input channel's weights can be told: all inputs to all outputs, or depthwise with as many of both."""
    return not layer.is_transposed and layer.groups in (1, len(constant(graph, layer.weight)))


def _own_weights(layer: Layer) -> bool:
    """Whether weight and bias are constants that no other layer uses."""
    return all(node.op == "get_attr" and len(node.users) == 1 for node in _constants(layer))


def _constants(layer: Layer) -> list[Node]:
    return [node for node in (layer.weight, layer.bias) if node is not None]


def _copy(graph: Graph, node: Node) -> None:
    owner, _, name = str(node.target).rpartition(".")
    values = torch.nn.Parameter(constant(graph, node).detach().clone(), requires_grad=False)
    setattr(graph.get_submodule(owner), name, values)
