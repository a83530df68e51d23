"""Gemm and MatMul with constant weights become Gemm with weights [out, in], as FULLY_CONNECTED has them.

Needs: ONNX operators on integer tensors. Promises: a Gemm of a constant has transB, neither alpha nor beta, and a bias
of one value per output; no MatMul by a constant of rank 2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.graph import Graph, Node, Tensor


def turn_gemm(graph: Graph) -> Graph:
    """Graph -> Graph."""
    tensors = dict(graph.tensors)
    return graph.rebuilt([_turned(graph, node, tensors) for node in graph.nodes], tensors)


def _turned(graph: Graph, node: Node, tensors: dict[str, Tensor]) -> Node:
    if node.op not in ("Gemm", "MatMul"):
        return node
    weights, bias = graph.input(node, 1), graph.optional_input(node, 2)
    alpha, beta = float(node.attrs.get("alpha", 1)), float(node.attrs.get("beta", 1))
    if weights.data is None or len(weights.shape) != 2 or graph.input(node, 0).is_constant or not alpha > 0:
        return node
    made = weights
    if alpha != 1 and weights.quant is not None:
        quant = weights.quant
        made = replace(made, quant=replace(quant, scale=tuple(float(np.float32(s * alpha)) for s in quant.scale)))
    if not int(node.attrs.get("transB", 0)):
        made = _transposed(made)
    inputs = [node.inputs[0], _name(tensors, made, weights, f"{weights.name}/{node.outputs[0]}/turned")]
    if bias is not None and beta != 0:
        per_output = _per_output(bias, beta, made.shape[0])
        inputs.append(_name(tensors, per_output, bias, f"{node.outputs[0]}/bias/given"))
    attrs = {key: value for key, value in node.attrs.items() if key not in ("alpha", "beta")}
    return replace(node, op="Gemm", inputs=tuple(inputs), attrs={**attrs, "transB": 1})


def _transposed(weights: Tensor) -> Tensor:
    quant = weights.quant
    if quant is not None and quant.axis is not None:
        quant = replace(quant, axis=1 - quant.axis)
    data = None if weights.data is None else np.ascontiguousarray(weights.data.T)
    return replace(weights, shape=weights.shape[::-1], quant=quant, data=data)


def _per_output(bias: Tensor, beta: float, outputs: int) -> Tensor:
    """beta times the bias, which may be a scalar or a row, as a vector; as it is where it is a matrix."""
    data, quant = bias.data, bias.quant
    if data is None or data.size not in (1, outputs) or any(d != 1 for d in bias.shape[:-1]):
        return bias
    if beta != 1:
        data, quant = np.float32(beta) * (data if quant is None else quant.dequantise(data)).astype(np.float32), None
    if quant is not None and quant.axis is not None:
        quant = replace(quant, axis=0)
    if data is bias.data and bias.shape == (outputs,):
        return bias
    vector = np.ascontiguousarray(np.broadcast_to(data.reshape(-1), (outputs,)))
    return Tensor(bias.name, vector.shape, str(vector.dtype), quant, vector)


def _name(tensors: dict[str, Tensor], made: Tensor, original: Tensor, name: str) -> str:
    """The name of `made` among the tensors: that of the original where it is the original."""
    if made is original:
        return original.name
    tensors[name] = replace(made, name=name)
    return name
