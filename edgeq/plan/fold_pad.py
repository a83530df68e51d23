"""A PAD in front of a convolution or a pool becomes part of its window.

A convolution reads its zero point in the padding, as PAD writes it; a max pool reads nothing there, which is the same
as the lowest value. An average pool counts what PAD writes and does not count its own padding: it is left alone.
"""

from __future__ import annotations

from dataclasses import replace

from edgeq.graph import Graph, Node
from edgeq.ops import pad
from edgeq.ops.numerics import INT8_MIN


def fold_pad(graph: Graph) -> Graph:
    """Graph -> Graph: folded windows carry `extra_padding`; a PAD that nothing reads any more is gone."""
    pads = {node.outputs[0]: node for node in graph.nodes if node.op in ("PAD", "PADV2")}
    nodes = [_folded(graph, node, pads.get(node.inputs[0])) for node in graph.nodes]
    read = {name for node in nodes for name in node.inputs} | set(graph.outputs)
    return graph.rebuilt(n for n in nodes if n.op not in ("PAD", "PADV2") or n.outputs[0] in read)


def _folded(graph: Graph, node: Node, padding: Node | None) -> Node:
    if padding is None or not _same_meaning(graph, node, padding):
        return node
    _, (top, bottom), (left, right), _ = pad.amounts(graph, padding)
    attrs = {**node.attrs, "extra_padding": (top, left, bottom, right)}
    return replace(node, inputs=(padding.inputs[0], *node.inputs[1:]), attrs=attrs)


def _same_meaning(graph: Graph, node: Node, padding: Node) -> bool:
    if node.attrs.get("padding") != "VALID":
        return False  # SAME would be reckoned from another size
    if any(pad.amounts(graph, padding)[3]):
        return False  # channels
    filled = pad.value(graph, padding)
    if node.op in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return filled == graph.input(node, 0).zero_point
    return node.op == "MAX_POOL_2D" and filled == INT8_MIN
