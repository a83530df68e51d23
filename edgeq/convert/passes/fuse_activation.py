"""Relu, and Clip between 0 and 6, become the `activation` of the operator in front of them.

Needs: ONNX operators, float tensors. Promises: no Relu or Clip alone behind Conv, Gemm, Add or a pool.
"""

from __future__ import annotations

from dataclasses import replace

from edgeq.graph import Graph, Node

FUSABLE = ("Conv", "Gemm", "Add", "MaxPool", "AveragePool")


def fuse_activation(graph: Graph) -> Graph:
    """Graph -> Graph."""
    readers = graph.consumers()
    producers = {output: node for node in graph.nodes for output in node.outputs}
    merged: dict[str, Node] = {}  # by the name of the node in front
    gone: set[str] = set()
    for node in graph.nodes:
        activation = _activation(graph, node)
        front = producers.get(node.inputs[0]) if activation else None
        if front is None or front.op not in FUSABLE or "activation" in front.attrs:
            continue
        if len(readers[front.outputs[0]]) == 1 and front.outputs[0] not in graph.outputs:
            merged[front.name] = replace(front, outputs=node.outputs, attrs={**front.attrs, "activation": activation})
            gone.add(node.name)
    return graph.rebuilt(merged.get(n.name, n) for n in graph.nodes if n.name not in gone)


def _activation(graph: Graph, node: Node) -> str | None:
    if node.op == "Relu":
        return "RELU"
    if node.op != "Clip":
        return None
    bounds = [graph.optional_input(node, i) for i in (1, 2)]
    values = [None if b is None or b.data is None else float(b.data.reshape(-1)[0]) for b in bounds]
    named: dict[tuple[float | None, float | None], str] = {(0.0, None): "RELU", (0.0, 6.0): "RELU6"}
    return named.get((values[0], values[1]))
