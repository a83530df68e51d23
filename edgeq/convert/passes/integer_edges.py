"""Ends in float or uint8 go: where a model's first operator quantises its input, or its last one dequantises its
output, the int8 tensors between them are the model's ends.

Needs: TFLite operators. Promises: neither a QUANTIZE of a float or uint8 input nor a DEQUANTIZE or QUANTIZE into such
an output. Float tensors elsewhere stay, and the check of the graph refuses them.
"""

from __future__ import annotations

from edgeq.graph import Graph, Node

EDGE_TYPES = ("float32", "uint8")
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


def integer_edges(graph: Graph) -> Graph:
    """Graph -> Graph; the very same one if there is nothing to drop."""
    readers = graph.consumers()
    writers = {node.outputs[0]: node for node in graph.nodes if _converts(node)}
    first = {
        name: readers[name][0].outputs[0]
        for name in graph.inputs
        if graph.tensor(name).dtype in EDGE_TYPES and name not in graph.outputs and _is_quantize(readers.get(name, []))
    }
    last = {
        name: writers[name].inputs[0]
        for name in graph.outputs
        if graph.tensor(name).dtype in EDGE_TYPES and name in writers
        and name not in readers and writers[name].inputs[0] not in graph.inputs
    }  # fmt: skip
    if not first and not last:
        return graph
    dropped_in, dropped_out = {(name,) for name in first}, {(name,) for name in last}
    return graph.rebuilt(
        [node for node in graph.nodes if node.inputs[:1] not in dropped_in and node.outputs[:1] not in dropped_out],
        inputs=tuple(first.get(name, name) for name in graph.inputs),
        outputs=tuple(last.get(name, name) for name in graph.outputs),
    )


def _is_quantize(nodes: list[Node]) -> bool:
    return len(nodes) == 1 and nodes[0].op == "QUANTIZE" and _converts(nodes[0])


def _converts(node: Node) -> bool:
    return node.op in CONVERSIONS and len(node.inputs) == len(node.outputs) == 1
