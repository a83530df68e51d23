"""Relu, and Clip between 0 and 6, become the `activation` of the operator in front of them.

Needs: ONNX operators, float tensors. Promises: no Relu or Clip alone behind Conv, Gemm, Add or a pool.
"""

from __future__ import annotations

from dataclasses import replace

from edgeq.graph import Graph, Node

FUSABLE = ("Conv", "ConvTranspose", "Gemm", "Add", "Sub", "Mul", "Div", "BatchNormalization", "MaxPool", "AveragePool")


def fuse_activation(graph: Graph) -> Graph:
    """Graph -> Graph."""
    readers = graph.consumers()
    producers = {output: node for node in graph.nodes for output in node.outputs}
    merged: dict[str, Node] = {}  # by the output of the node in front, since names may repeat
    gone: set[str] = set()
    for node in graph.nodes:
        activation = _activation(graph, node)
        front = producers.get(node.inputs[0]) if activation else None
        if front is None or front.op not in FUSABLE or "activation" in front.attrs:
            continue
        if len(readers[front.outputs[0]]) == 1 and front.outputs[0] not in graph.outputs:
            attrs = {**front.attrs, "activation": activation}
            merged[front.outputs[0]] = replace(front, outputs=node.outputs, attrs=attrs)
            gone.add(node.outputs[0])
    return graph.rebuilt(merged.get(n.outputs[0], n) for n in graph.nodes if n.outputs[0] not in gone)


def _activation(graph: Graph, node: Node) -> str | None:
    if node.op == "Relu":
        return "RELU"
    if node.op != "Clip":
        return None
    bounds = [graph.optional_input(node, i) for i in (1, 2)]
    low, high = (None if b is None else graph.constant(node, i) for i, b in enumerate(bounds, 1))
    if low is None or low.reshape(-1).tolist() != [0]:
        return None
    if high is None:
        return "RELU"
    return "RELU6" if high.reshape(-1).tolist() == [6] else None
