"""From the user's module to the network that is quantised: exported, and rewritten into operations that TFLite has.

Each pass is Graph -> Graph in place and keeps the function that the network computes:

| pass | what becomes what |
|---|---|
| identities | dropout, alias, clone, contiguous: nothing |
| named padding | `padding="same"`: numbers, and a pad in front where both sides differ |
| batch norms | folded into the convolution or linear layer in front; standing alone: a depthwise 1x1 convolution |
| SiLU | x * sigmoid(x), whose two results each have a scale |
| scalars | `x * 2`, `1 - x`, `x / 3`: a constant tensor, which has a scale too |
| clamps | `hardtanh` and `clamp` to 0..6: ReLU6; to 0 and up: ReLU |
| batch | reshapes written for one sample take any number |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchao.quantization.pt2e.utils import _fuse_conv_bn_, _fuse_linear_bn_

from edgeq.errors import Unsupported
from edgeq.quantize.door import torch
from edgeq.quantize.graphs import WEIGHTED, Graph, Node, add_call, add_constant, aten, constant, finish, replace, shape
from edgeq.quantize.names import where_in_source

IDENTITIES = {
    aten.alias.default,
    aten.clone.default,
    aten.contiguous.default,
    aten.detach_.default,
    aten.dropout.default,
    aten.dropout_.default,
    aten.feature_dropout.default,
    aten.feature_dropout_.default,
    aten.lift_fresh_copy.default,
}
RESHAPES = {aten.view.default, aten.reshape.default}


def exported(module: torch.nn.Module, example: torch.Tensor) -> Graph:
    """The network in eval mode as a graph of aten operations, simplified; `example` is float NCHW of batch 1.

    Raises:
        Unsupported: torch cannot export the network, or a batch norm is where TFLite has no operator for it.
    """
    try:
        unlifted = torch.export.export(module, (example,)).module(check_guards=False)
    except Exception as error:  # the user's forward runs in here
        first_line = str(error).strip().partition("\n")[0] or type(error).__name__
        raise Unsupported(
            f"torch.export cannot trace the network: {first_line}",
            hint="a forward without branches on values of tensors",
        ) from error
    # A module of the graph alone: the exported one checks that the batch is the example's.
    graph = torch.fx.GraphModule(unlifted, unlifted.graph)
    for rewrite in PASSES:
        rewrite(graph)
        finish(graph)
    return graph


def drop_identities(graph: Graph) -> None:
    for node in graph.graph.nodes:
        if node.target in IDENTITIES:
            replace(graph, node, node.all_input_nodes[0])


def spell_out_padding(graph: Graph) -> None:
    for node in graph.graph.nodes:
        if node.target != aten.conv2d.padding:
            continue
        source, weight, bias, stride, padding, dilation, groups = _filled(node, None, [1, 1], "valid", [1, 1], 1)
        sides = [0, 0, 0, 0]  # left, right, top, bottom
        if padding == "same":
            for axis in (0, 1):
                total = dilation[axis] * (shape(weight)[2 + axis] - 1)
                sides[2 - 2 * axis : 4 - 2 * axis] = [total // 2, total - total // 2]
        if sides[0] != sides[1] or sides[2] != sides[3]:
            source = add_call(graph, node, node, aten.pad.default, (source, sides))
            sides = [0, 0, 0, 0]
        arguments = (source, weight, bias, stride, [sides[2], sides[0]], dilation, groups)
        replace(graph, node, add_call(graph, node, node, aten.conv2d.default, arguments))


def fold_batch_norms(graph: Graph) -> None:
    _fuse_conv_bn_(graph)
    _fuse_linear_bn_(graph)
    for node in graph.graph.nodes:
        if node.target != aten.batch_norm.default:
            continue
        if len(shape(node)) != 4:
            raise Unsupported(
                f"a batch norm of {len(shape(node))} dimensions that stands alone", where=where_in_source(node)
            )
        source, gamma, beta, mean, variance, _, _, epsilon, _ = node.args
        factor = torch.rsqrt(constant(graph, variance).double() + epsilon)
        if gamma is not None:
            factor = factor * constant(graph, gamma).double()
        offset = -constant(graph, mean).double() * factor
        if beta is not None:
            offset = offset + constant(graph, beta).double()
        weight = add_constant(graph, node, f"{node.name}_factor", factor.float().reshape(-1, 1, 1, 1))
        bias = add_constant(graph, node, f"{node.name}_offset", offset.float())
        arguments = (source, weight, bias, [1, 1], [0, 0], [1, 1], len(factor))
        replace(graph, node, add_call(graph, node, node, aten.conv2d.default, arguments))


def split_silu(graph: Graph) -> None:
    for node in graph.graph.nodes:
        if node.target in (aten.silu.default, aten.silu_.default):
            source = node.args[0]
            sigmoid = add_call(graph, node, node, aten.sigmoid.default, (source,))
            replace(graph, node, add_call(graph, node, node, aten.mul.Tensor, (source, sigmoid)))


def turn_scalars_into_tensors(graph: Graph) -> None:
    for node in graph.graph.nodes:
        if node.target in (aten.div.Tensor, aten.div_.Tensor) and isinstance(node.args[1], int | float):
            _with_tensor(graph, node, aten.mul.Tensor, node.args[0], 1 / node.args[1])
        elif node.target == aten.rsub.Scalar and len(node.args) == 2:
            _with_tensor(graph, node, aten.sub.Tensor, node.args[1], node.args[0])
        elif node.target in ARITHMETIC and any(isinstance(argument, int | float) for argument in node.args[:2]):
            _with_tensor(graph, node, ARITHMETIC[node.target], *node.args[:2])


ARITHMETIC = {
    aten.add.Tensor: aten.add.Tensor,
    aten.add_.Tensor: aten.add.Tensor,
    aten.sub.Tensor: aten.sub.Tensor,
    aten.sub_.Tensor: aten.sub.Tensor,
    aten.mul.Tensor: aten.mul.Tensor,
    aten.mul_.Tensor: aten.mul.Tensor,
}


def _with_tensor(graph: Graph, node: Node, target: object, *operands: Node | float) -> None:
    if node.kwargs:
        return  # alpha: the quantiser refuses it
    made = tuple(
        operand
        if isinstance(operand, Node)
        else add_constant(graph, node, f"{node.name}_constant", torch.tensor([float(operand)]))
        for operand in operands
    )
    replace(graph, node, add_call(graph, node, node, target, made))


CLAMPS = (aten.hardtanh.default, aten.hardtanh_.default, aten.clamp.default, aten.clamp_.default)


def name_clamps(graph: Graph) -> None:
    named = {(0.0, 6.0): aten.relu6.default, (0.0, None): aten.relu.default}
    for node in graph.graph.nodes:
        if node.target in CLAMPS:
            defaults = (-1.0, 1.0) if "hardtanh" in str(node.target) else (None, None)
            bounds = (*node.args[1:], *defaults[len(node.args) - 1 :])
            if bounds in named:
                replace(graph, node, add_call(graph, node, node, named[bounds], (node.args[0],)))
        elif node.target == aten.clamp_min.default and node.args[1] == 0:
            replace(graph, node, add_call(graph, node, node, aten.relu.default, (node.args[0],)))


def free_batch(graph: Graph) -> None:
    for node in graph.graph.nodes:
        if node.target in RESHAPES and shape(node)[:1] == (1,) == shape(node.args[0])[:1]:
            node.args = (node.args[0], [-1, *shape(node)[1:]])


def add_biases(graph: Graph) -> None:
    """Give a zero bias to each weighted layer that has none, so that there is something to correct."""
    for node in graph.graph.nodes:
        if node.target in WEIGHTED and (len(node.args) < 3 or node.args[2] is None):
            channels = shape(node)[-1 if node.target is aten.linear.default else 1]
            bias = add_constant(graph, node, f"{node.name}_bias", torch.zeros(channels))
            node.args = (*node.args[:2], bias, *node.args[3:])
    finish(graph)


PASSES: tuple[Callable[[Graph], None], ...] = (
    drop_identities,
    spell_out_padding,
    fold_batch_norms,
    split_silu,
    turn_scalars_into_tensors,
    name_clamps,
    free_batch,
)


# What the passes above replace; behind them it is gone, or the quantiser refuses the form that is left.
REWRITTEN: set[object] = {
    *IDENTITIES,
    *ARITHMETIC,
    *CLAMPS,
    aten.batch_norm.default,
    aten.clamp_min.default,
    aten.conv2d.padding,
    aten.div.Tensor,
    aten.div_.Tensor,
    aten.rsub.Scalar,
    aten.silu.default,
    aten.silu_.default,
}


def _filled(node: Node, *defaults: object) -> list[Any]:
    """A node's positional arguments, those left out at the end as aten has them."""
    return [*node.args, *defaults[len(node.args) - 2 :]]
