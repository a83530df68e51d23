"""Cross-layer equalisation (Nagel et al. 2019, arXiv:1906.04721): neighbouring layers share out their channels' ranges.

Between layers with nothing but ReLU, pooling and sums between them, channel i of those in front may be divided by s_i
and the weights for it behind multiplied by s_i: the network computes the same. For two layers the paper's
s_i = sqrt(r1_i / r2_i), where r1_i and r2_i are the largest magnitudes of channel i's weights in either, gives both
sqrt(r1_i r2_i), and no channel drowns in another's scale. Where sums tie several layers to the same channels, as along
the residuals of a stage, r1 and r2 are the geometric means over the layers in front and behind.

ReLU6 does not scale. The paper replaces it by ReLU, which changes what is computed wherever it clips; here it stays. A
channel that it clips on the samples keeps its scale, and another is not made so large that it would be clipped. The
channels that drown others behind a ReLU6 are the quiet ones, whose weights in the next layer are large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeq.quantize.door import torch
from edgeq.quantize.graphs import Graph, Layer, Node, aten, constant, layer_of, shape

# What gives s f(x) for f(s x), channel by channel, for s > 0.
SCALING = {
    aten.relu.default,
    aten.relu_.default,
    aten.leaky_relu.default,
    aten.leaky_relu_.default,
    aten.max_pool2d.default,
    aten.avg_pool2d.default,
    aten.adaptive_avg_pool2d.default,
    aten.pad.default,
    aten.mean.dim,
    aten.flatten.using_ints,
    aten.view.default,
    aten.reshape.default,
}
SIXES = {aten.relu6.default, aten.relu6_.default}
SUMS = {aten.add.Tensor, aten.add_.Tensor}
SIX = 6.0
# Values in front of a ReLU6 are thought to become this much larger than the samples'.
MARGIN = 1.5
ROUNDS = 30
SETTLED = 1e-3


@dataclass(frozen=True)
class Group:
    """Layers that share channels: what `firsts` make and `between` passes on is what `seconds` take, and no one else.

    `between` are the nodes of the results that have these channels, those of `firsts` left out.
    """

    firsts: tuple[Layer, ...]
    between: tuple[Node, ...]
    seconds: tuple[Layer, ...]


def groups(graph: Graph) -> list[Group]:
    """All groups that can be equalised, in order."""
    found, known = [], set[Node]()
    for node in graph.graph.nodes:
        if layer_of(node) is not None and node not in known:
            tied = _tied(node)
            known |= tied
            if (group := _group(graph, tied)) is not None:
                found.append(group)
    return found


def equalise(graph: Graph, samples: torch.Tensor) -> int:
    """Equalise all groups of a graph in place, in rounds until their scales settle; returns how many groups there are.

    `samples` (float [N, C, H, W]) tell how large values in front of a ReLU6 become. Layers get biases and weights of
    their own, so that the user's module keeps its.
    """
    found = groups(graph)
    largest = _largest(graph, {node for group in found for node in group.between if node.target in SIXES}, samples)
    layers = {layer.node: layer for group in found for layer in (*group.firsts, *group.seconds)}
    for layer in layers.values():
        for node in _constants(layer):
            _copy(graph, node)
    for _ in range(ROUNDS):
        changes = [_equalise(graph, group, largest) for group in found]
        if max(changes, default=0.0) < SETTLED:
            break
    graph.recompile()
    return len(found)


def _equalise(graph: Graph, group: Group, largest: dict[Node, torch.Tensor]) -> float:
    """Share out the ranges of one group; returns the largest |log s|.

    `largest` has each channel's largest value in front of each ReLU6, and is scaled with it.
    """
    firsts = [constant(graph, layer.weight) for layer in group.firsts]
    seconds = [_by_input(graph, layer) for layer in group.seconds]
    logs_1, logs_2 = (
        torch.stack([weight.flatten(1).abs().amax(1).log() for weight in weights]).mean(0)
        for weights in (firsts, seconds)
    )
    logs = (logs_1 - logs_2) / 2
    logs[~logs.isfinite()] = 0  # a channel that is switched off
    scales = logs.exp()
    before_six = [largest[node] for node in group.between if node in largest]
    for values in before_six:
        lowest = (MARGIN * values).clamp(max=SIX) / SIX
        scales = torch.where(values > SIX, 1.0, torch.maximum(scales, lowest))
    for layer, weight in zip(group.firsts, firsts, strict=True):
        weight.div_(_along(scales, weight))
        if layer.bias is not None:
            constant(graph, layer.bias).div_(scales)
    for weight in seconds:
        weight.mul_(_along(scales, weight))
    for values in before_six:
        values.div_(scales)
    return float(scales.log().abs().max())


def _along(scales: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return scales.reshape(-1, *[1] * (weight.ndim - 1))


def _by_input(graph: Graph, layer: Layer) -> torch.Tensor:
    """A view of the layer's weight with the input channel in front."""
    weight = constant(graph, layer.weight)
    return weight if layer.groups > 1 else weight.transpose(0, 1)


def _tied(start: Node) -> set[Node]:
    """The results whose channels have to be scaled as those of `start`."""
    tied, new = set[Node](), [start]
    while new:
        node = new.pop()
        if node in tied:
            continue
        tied.add(node)
        new += [user for user in node.users if _passes_on(user)]
        new += [source for source in node.all_input_nodes if _passes_on(node)]
    return tied


def _passes_on(node: Node) -> bool:
    """Whether a node's result has the channels of what it takes, each scaled as that is."""
    if node.target in SUMS:
        return len({shape(source) for source in node.args if isinstance(source, Node)}) == 1 and not node.kwargs
    if node.target not in SCALING | SIXES:
        return False
    before, after = shape(node.all_input_nodes[0]), shape(node)
    if before[:2] != after[:2]:
        return False
    if node.target is aten.mean.dim:
        return len(before) == 4 and {axis % 4 for axis in node.args[1] or ()} == {2, 3}  # type: ignore[operator, union-attr]
    return len(after) == len(before) or set(before[2:]) <= {1}


def _group(graph: Graph, tied: set[Node]) -> Group | None:
    """The group of these results; None where something else makes or takes one of them."""
    firsts, between, seconds = [], [], []
    for node in graph.graph.nodes:
        if node not in tied:
            continue
        layer = layer_of(node)
        if layer is not None and not layer.is_transposed and _own_weights(layer):
            firsts.append(layer)
        elif _passes_on(node):
            between.append(node)
        else:
            return None
        for user in (user for user in node.users if user not in tied or layer_of(user) is not None):
            taking = layer_of(user)
            if taking is None or taking.source is not node or not _own_weights(taking):
                return None
            if not _takes_channels(taking, graph):
                return None
            seconds.append(taking)
    return Group(tuple(firsts), tuple(between), tuple(seconds)) if seconds else None


def _takes_channels(layer: Layer, graph: Graph) -> bool:
    """Whether an input channel's weights can be told: all inputs to all outputs, or depthwise with as many of both."""
    if layer.is_transposed or layer.groups not in (1, len(constant(graph, layer.weight))):
        return False
    return not layer.is_linear or len(shape(layer.source)) == 2


def _own_weights(layer: Layer) -> bool:
    """Whether weight and bias are constants that no other layer uses."""
    return all(node.op == "get_attr" and len(node.users) == 1 for node in _constants(layer))


def _constants(layer: Layer) -> list[Node]:
    return [node for node in (layer.weight, layer.bias) if node is not None]


def _copy(graph: Graph, node: Node) -> None:
    owner, _, name = str(node.target).rpartition(".")
    values = torch.nn.Parameter(constant(graph, node).detach().clone(), requires_grad=False)
    setattr(graph.get_submodule(owner), name, values)


def _largest(graph: Graph, sixes: set[Node], samples: torch.Tensor) -> dict[Node, torch.Tensor]:
    """The largest value of each channel in front of each of these ReLU6."""
    largest = _Largest(graph, sixes)
    for index in range(len(samples) if sixes else 0):
        largest.run(samples[index : index + 1])
    return largest.by_node


class _Largest(torch.fx.Interpreter):
    """Keeps the largest value of each channel that the wanted nodes take."""

    def __init__(self, graph: Graph, wanted: set[Node]) -> None:
        super().__init__(graph)
        self.by_node = {node: torch.zeros(shape(node)[1]) for node in wanted}

    def run_node(self, n: Node) -> Any:
        if n in self.by_node:
            values = self.env[n.all_input_nodes[0]].transpose(0, 1).flatten(1).amax(1)
            self.by_node[n] = torch.maximum(self.by_node[n], values)
        return super().run_node(n)
