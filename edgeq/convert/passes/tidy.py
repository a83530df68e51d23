"""What an exporter leaves behind: Identity, Dropout at rest, a ceil_mode that is a padding.

Needs: ONNX operators, float tensors, NCHW. Promises: no Identity or Dropout inside the graph; ceil_mode only where an
average's last window would be cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeq.graph import Graph, Node, Tensor

NOTHING = ("Identity", "Dropout")
POOLS = ("MaxPool", "AveragePool")


def tidy(graph: Graph) -> Graph:
    """Graph -> Graph."""
    stands_for: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        node = replace(node, inputs=tuple(stands_for.get(name, name) for name in node.inputs))
        if node.op in NOTHING and not any(n in graph.outputs for n in node.outputs):
            stands_for[node.outputs[0]] = node.inputs[0]
            continue
        if node.op in POOLS and int(node.attrs.get("ceil_mode", 0)):
            node = _padded(graph, node)
        nodes.append(node)
    return graph.rebuilt(nodes)


def _padded(graph: Graph, node: Node) -> Node:
    """The same windows, by padding that reaches as far as the last of them does."""
    x, y, attrs = graph.input(node, 0), graph.output(node), node.attrs
    sides = len(x.shape) - 2
    size, pads = attrs.get("kernel_shape", ()), list(attrs.get("pads", (0,) * 2 * sides))
    if attrs.get("auto_pad", "NOTSET") != "NOTSET" or sides < 1 or len(size) != sides or len(pads) != 2 * sides:
        return node
    reach = _reach(y, attrs.get("strides", (1,) * sides), size, attrs.get("dilations", (1,) * sides))
    behind = [max(pads[sides + i], reach[i] - x.shape[2 + i] - pads[i]) for i in range(sides)]
    if node.op == "AveragePool" and behind != pads[sides:]:
        return node
    return replace(node, attrs={**attrs, "ceil_mode": 0, "pads": [*pads[:sides], *behind]})


def _reach(y: Tensor, strides: Sequence[int], size: Sequence[int], dilations: Sequence[int]) -> list[int]:
    """Where the last window ends, counted from the first one's start."""
    return [
        (out - 1) * int(s) + (int(k) - 1) * int(d) + 1
        for out, s, k, d in zip(y.shape[2:], strides, size, dilations, strict=True)
    ]
