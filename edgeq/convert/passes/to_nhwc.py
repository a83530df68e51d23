"""NCHW becomes NHWC throughout, so that no TRANSPOSE is ever needed.

Needs: ONNX operators on integer tensors. Promises: rank 4 activations are NHWC, convolution weights OHWI, axes of
reductions, constant operands and flattened weights of Gemm follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor

NHWC = (0, 2, 3, 1)  # where each axis comes from
AXIS = (0, 3, 1, 2)  # where each NCHW axis goes
FLATTENING = ("Reshape", "Flatten", "Squeeze")
PAIRS = ("Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu")
LAYOUT_FREE = (
    "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization",
    "Abs", "Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "QuantizeLinear", "Relu", "Sigmoid", "Tanh",
)  # fmt: skip


def to_nhwc(graph: Graph) -> Graph:
    """Graph -> Graph."""
    tensors = {n: _activation(t) for n, t in graph.tensors.items()}
    nodes = []
    for node in graph.nodes:
        if node.op == "Conv":
            _turn_weights(graph, node, tensors)
        elif node.op in ("ReduceMean", "ReduceSum"):
            node = _turn_axes(graph, node)
        elif node.op in PAIRS:
            node = _turn_operands(graph, node, tensors)
        elif node.op == "Softmax" and len(graph.input(node, 0).shape) == 4:
            node = replace(node, attrs={**node.attrs, "axis": AXIS[int(node.attrs.get("axis", -1)) % 4]})
        elif node.op in FLATTENING:
            _turn_flattened(graph, node, tensors)
        elif node.op not in LAYOUT_FREE and any(
            len(graph.tensor(n).shape) > 3 for n in (*node.inputs, *node.outputs) if n
        ):
            raise Unsupported(f"{node.op} is not supported", where=f"node {node.name}")
        nodes.append(node)
    return graph.rebuilt(nodes, tensors)


def _activation(tensor: Tensor) -> Tensor:
    if tensor.is_constant or len(tensor.shape) != 4:
        return tensor
    return replace(tensor, shape=tuple(tensor.shape[i] for i in NHWC))


def _turn_weights(graph: Graph, node: Node, tensors: dict[str, Tensor]) -> None:
    name = node.inputs[1]
    original = graph.tensor(name)
    if original.data is None or len(original.shape) != 4:
        raise Unsupported("a convolution needs constant weights of rank 4", where=f"node {node.name}")
    data = np.ascontiguousarray(original.data.transpose(NHWC))
    quant = original.quant
    if quant is not None and quant.axis is not None:
        quant = QuantParams(quant.scale, quant.zero_point, AXIS[quant.axis])
    tensors[name] = Tensor(name, tuple(data.shape), original.dtype, quant, data)


def _turn_operands(graph: Graph, node: Node, tensors: dict[str, Tensor]) -> Node:
    """Constants that are broadcast over NCHW get a twin for NHWC."""
    if len(graph.output(node).shape) != 4:
        return node
    inputs = list(node.inputs)
    for i, name in enumerate(inputs):
        tensor = graph.tensor(name)
        if tensor.elements == 1 or (tensor.data is None and len(tensor.shape) == 4):
            continue
        if tensor.data is None or len(tensor.shape) > 4 or (tensor.quant is not None and tensor.quant.is_per_channel):
            raise Unsupported(f"{node.op} of {name}, {list(tensor.shape)}, and a picture", where=f"node {node.name}")
        full = tensor.data.reshape((1,) * (4 - len(tensor.shape)) + tensor.shape)
        data = np.ascontiguousarray(full.transpose(NHWC))
        inputs[i] = f"{name}/nhwc"
        tensors[inputs[i]] = Tensor(inputs[i], tuple(data.shape), tensor.dtype, tensor.quant, data)
    return replace(node, inputs=tuple(inputs))


def _turn_axes(graph: Graph, node: Node) -> Node:
    x = graph.input(node, 0)
    rank = len(x.shape)
    axes = node.attrs.get("axes")
    if axes is None and graph.optional_input(node, 1) is not None:
        axes = graph.constant(node, 1).tolist()
    if axes is None or rank != 4:
        raise Unsupported(f"{node.op} over all axes, or of rank {rank}", where=f"node {node.name}")
    turned = [AXIS[int(a) % rank] for a in axes]
    kept = [i for i in range(1, rank) if AXIS[i] not in turned and x.shape[i] > 1]
    if not int(node.attrs.get("keepdims", 1)) and 1 in kept and len(kept) > 1:
        raise Unsupported(f"{node.op} that leaves channels and one side of a picture", where=f"node {node.name}")
    return replace(node, inputs=node.inputs[:1], attrs={**node.attrs, "axes": turned})


def _turn_flattened(graph: Graph, node: Node, tensors: dict[str, Tensor]) -> None:
    """Flattening NHWC orders features H, W, C, not C, H, W: the weights that read them are reordered."""
    x, y = graph.input(node, 0), graph.output(node)
    if len(x.shape) != 4 or x.shape[1] == 1 or x.shape[2] * x.shape[3] == 1:
        if len(y.shape) == 4 and y.shape[1] > 1 and y.shape[2] * y.shape[3] > 1:
            raise Unsupported(f"{node.op} into {list(y.shape)}", where=f"node {node.name}")
        return
    if y.shape != (x.shape[0], x.elements // x.shape[0]):
        raise Unsupported(f"{node.op} from {list(x.shape)} to {list(y.shape)}", where=f"node {node.name}")
    if y.name in graph.outputs:
        raise Unsupported(f"{y.name}, a flattened feature map, is an output of the model", where=f"node {node.name}")
    readers = graph.consumers()
    for reader in readers.get(y.name, ()):
        weights = graph.input(reader, 1) if reader.op == "Gemm" else None
        if weights is None or weights.data is None or not int(reader.attrs.get("transB", 0)):
            raise Unsupported(f"{reader.op} behind a flattened feature map", where=f"node {reader.name}")
        if any(other.inputs[0] != y.name for other in readers[weights.name]):
            raise Unsupported(f"{weights.name} is read in two layouts", where=f"node {reader.name}")
        tensors[weights.name] = replace(weights, data=_reordered(weights.data, x.shape[1:]))


def _reordered(weights: NDArray[Any], chw: Sequence[int]) -> NDArray[Any]:
    out = weights.reshape(weights.shape[0], *chw).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(out).reshape(weights.shape)
