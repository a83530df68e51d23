"""Gemm and MatMul with constant weights become Gemm with weights [out, in], as FULLY_CONNECTED has them.

Needs: ONNX operators on integer tensors. Promises: a Gemm of a constant has transB; no MatMul by a constant of rank 2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.graph import Graph, Node, QuantParams, Tensor


def turn_gemm(graph: Graph) -> Graph:
    """Graph -> Graph."""
    tensors = dict(graph.tensors)
    return graph.rebuilt([_turned(graph, node, tensors) for node in graph.nodes], tensors)


def _turned(graph: Graph, node: Node, tensors: dict[str, Tensor]) -> Node:
    if node.op not in ("Gemm", "MatMul") or int(node.attrs.get("transB", 0)):
        return node
    weights = graph.input(node, 1)
    if weights.data is None or len(weights.shape) != 2 or graph.input(node, 0).is_constant:
        return node
    quant = weights.quant
    if quant is not None and quant.axis is not None:
        quant = QuantParams(quant.scale, quant.zero_point, 1 - quant.axis)
    name = f"{weights.name}/turned"
    tensors[name] = Tensor(name, weights.shape[::-1], weights.dtype, quant, np.ascontiguousarray(weights.data.T))
    inputs = (node.inputs[0], name, *node.inputs[2:])
    return replace(node, op="Gemm", inputs=inputs, attrs={**node.attrs, "transB": 1})
