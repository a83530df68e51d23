"""Cross-layer equalisation (Nagel et al. 2019, arXiv:1906.04721): neighbouring layers share out their channels' ranges.

Between layers with nothing but ReLU, pooling and sums between them, channel i of those in front may be divided by s_i
and the weights for it behind multiplied by s_i: the network computes the same. For two layers the paper's
s_i = sqrt(r1_i / r2_i), where r1_i and r2_i are the largest magnitudes of channel i's weights in either, gives both
sqrt(r1_i r2_i), and no channel drowns in another's scale. Where sums tie several layers to the same channels, as along
the residuals of a stage, r1 and r2 are the geometric means over the layers in front and behind.

The paper looks at weights alone. The values between the layers share one scale too, so a channel is not made larger
there than the largest of those that are not made larger: a quiet channel whose weights are small would drown the rest.

ReLU6 does not scale. The paper replaces it by ReLU, which changes what is computed wherever it clips; here it stays. A
channel that it clips on the samples keeps its scale, and another is not made so large that it would be clipped. The
channels that drown others behind a ReLU6 are the quiet ones, whose weights in the next layer are large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeq.quantize.door import torch
from edgeq.quantize.graphs import Graph, Layer, Node, aten, constant, layer_of, shape
from edgeq.quantize.names import RELUS

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

    `samples` (float [N, C, H, W]) tell how large the values between the layers are. Layers get biases and weights of
    their own, so that the user's module keeps its.
    """
    found = groups(graph)
    peaks = _Peaks(graph, found)
    for index in range(len(samples)):
        peaks.run(samples[index : index + 1])
    layers = {layer.node: layer for group in found for layer in (*group.firsts, *group.seconds)}
    for layer in layers.values():
        for node in _constants(layer):
            _copy(graph, node)
    for _ in range(ROUNDS):
        changes = [_equalise(graph, group, peaks) for group in found]
        if max(changes, default=0.0) < SETTLED:
            break
    graph.recompile()
    return len(found)


def _equalise(graph: Graph, group: Group, peaks: _Peaks) -> float:
    """Share out the ranges of one group; returns the largest |log s|. `peaks` are scaled with it."""
    firsts = [constant(graph, layer.weight) for layer in group.firsts]
    seconds = [_by_input(graph, layer) for layer in group.seconds]
    results = [layer.node for layer in group.firsts] + list(group.between)
    values = [peaks.stored[node] for node in results if node in peaks.stored]
    before_six = [peaks.before_six[node] for node in results if node in peaks.before_six]

    scales = _bounded(_shared_out(firsts, seconds), torch.stack(values).amax(0))
    for largest in before_six:
        lowest = (MARGIN * largest).clamp(max=SIX) / SIX
        scales = torch.where(largest > SIX, 1.0, torch.maximum(scales, lowest))

    for layer, weight in zip(group.firsts, firsts, strict=True):
        weight.div_(_along(scales, weight))
        if layer.bias is not None:
            constant(graph, layer.bias).div_(scales)
    for weight in seconds:
        weight.mul_(_along(scales, weight))
    for largest in (*values, *before_six):
        largest.div_(scales)
    return float(scales.log().abs().max())


def _shared_out(firsts: list[torch.Tensor], seconds: list[torch.Tensor]) -> torch.Tensor:
    """The paper's scales, for weights with the shared channels in front; 1 where a channel is switched off."""
    logs_1, logs_2 = (
        torch.stack([weight.flatten(1).abs().amax(1).log() for weight in weights]).mean(0)
        for weights in (firsts, seconds)
    )
    logs = (logs_1 - logs_2) / 2
    logs[~logs.isfinite()] = 0
    return logs.exp()


def _bounded(scales: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The scales, those raised with which a channel's largest value would pass all that are not made larger.

    Larger is against the median: a factor of all channels changes nothing.
    """
    median = scales.median()
    relative = scales / median
    allowed = (values / relative)[relative >= 1].max()
    return torch.maximum(relative, (values / allowed).clamp(max=1)) * median if allowed > 0 else scales


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


class _Peaks(torch.fx.Interpreter):
    """Keeps each channel's largest magnitude in the results that have a scale, and its largest value before a ReLU6."""

    def __init__(self, graph: Graph, found: list[Group]) -> None:
        super().__init__(graph)
        results = {node for group in found for node in (*(layer.node for layer in group.firsts), *group.between)}
        # A ReLU behind a layer or a sum is part of it, and only what comes out of it has a scale.
        fused = {node for node in results if len(node.users) == 1 and next(iter(node.users)).target in RELUS}
        self.stored = {node: torch.zeros(shape(node)[1]) for node in results - fused}
        self.before_six = {node: torch.zeros(shape(node)[1]) for node in results if node.target in SIXES}

    def run_node(self, n: Node) -> Any:
        if n in self.before_six:
            self._keep(self.before_six, n, self.env[n.all_input_nodes[0]])
        result = super().run_node(n)
        if n in self.stored:
            self._keep(self.stored, n, result.abs())
        return result

    @staticmethod
    def _keep(kept: dict[Node, torch.Tensor], node: Node, values: torch.Tensor) -> None:
        kept[node] = torch.maximum(kept[node], values.transpose(0, 1).flatten(1).amax(1))
