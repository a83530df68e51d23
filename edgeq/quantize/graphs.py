"""What every pass over an exported network needs: its constants, new nodes in it, running it in batches."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from edgeq.quantize.door import torch

Graph = torch.fx.GraphModule
Node = torch.fx.Node
aten = torch.ops.aten

WEIGHTED = (aten.conv2d.default, aten.conv_transpose2d.input, aten.linear.default)


@dataclass(frozen=True)
class Layer:
    """A convolution, transposed convolution or linear layer: its node, its operands, how its kernel moves."""

    node: Node
    source: Node
    weight: Node
    bias: Node | None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def is_linear(self) -> bool:
        """Whether its channels are the last axis, not the second."""
        return self.node.target is aten.linear.default

    @property
    def is_transposed(self) -> bool:
        """Whether its weight is I O H W."""
        return self.node.target is aten.conv_transpose2d.input


def layer_of(node: Node) -> Layer | None:
    """The layer that a node is, if it is one."""
    if node.target not in WEIGHTED:
        return None
    arguments: list[Any] = [*node.args]
    source, weight = arguments[:2]
    bias = arguments[2] if len(arguments) > 2 else None
    if node.target is not aten.conv2d.default:
        return Layer(node, source, weight, bias)
    rest = arguments[3:] + [[1, 1], [0, 0], [1, 1], 1][max(len(arguments) - 3, 0) :]
    stride, padding, dilation, groups = rest
    return Layer(node, source, weight, bias, tuple(stride), tuple(padding), tuple(dilation), groups)


def constant(graph: Graph, node: Node) -> torch.Tensor:
    """The parameter or buffer that a `get_attr` node stands for."""
    found: torch.Tensor = attrgetter(str(node.target))(graph)
    return found


def is_quantise(node: Node) -> bool:
    """Whether it makes a converted graph's int8 of floats."""
    return str(node.target).startswith("quantized_decomposed.quantize_")


def is_dequantise(node: Node) -> bool:
    """Whether it makes floats of a converted graph's integers."""
    return str(node.target).startswith("quantized_decomposed.dequantize_")


def add_constant(graph: Graph, before: Node, name: str, values: torch.Tensor) -> Node:
    """A new buffer with these values, and its node in front of `before`. The name is made unique."""
    free, count = name, 0
    while hasattr(graph, free):
        count += 1
        free = f"{name}_{count}"
    graph.register_buffer(free, values.detach().clone())
    with graph.graph.inserting_before(before):
        node: Node = graph.graph.get_attr(free)
    node.meta["val"] = values
    return node


def add_call(graph: Graph, before: Node, like: Node, target: object, arguments: tuple[object, ...]) -> Node:
    """A new call in front of `before`, which belongs to the same place in the user's network as `like`."""
    with graph.graph.inserting_before(before):
        node: Node = graph.graph.call_function(target, arguments)  # type: ignore[arg-type]  # an aten operation
    node.meta |= {key: like.meta[key] for key in ("nn_module_stack", "stack_trace", "val") if key in like.meta}
    return node


def replace(graph: Graph, node: Node, by: Node) -> None:
    """Let all users of `node` take `by`, and drop `node`."""
    node.replace_all_uses_with(by)
    graph.graph.erase_node(node)


def finish(graph: Graph) -> Graph:
    """Drop what nothing uses any more; to be called behind every change."""
    graph.graph.eliminate_dead_code()
    graph.graph.lint()
    graph.recompile()
    return graph


def shape(node: Node) -> tuple[int, ...]:
    """The shape of a node's result at batch 1, as it was exported."""
    return tuple(node.meta["val"].shape)
