"""An average with an output scale of its own becomes a depthwise convolution: that rescales, TFLite's pool does not.

Needs: ONNX operators on integers, NCHW. Promises: what an AveragePool reads and writes shares scale and zero point,
unless its window is cut by padding that does not count.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.graph import Graph, Node, QuantParams, Tensor


def rescale(graph: Graph) -> Graph:
    """Graph -> Graph."""
    tensors = dict(graph.tensors)
    nodes = [_convolution(graph, node, tensors) if _rescales(graph, node) else node for node in graph.nodes]
    return graph.rebuilt(nodes, tensors)


def _rescales(graph: Graph, node: Node) -> bool:
    if node.op != "AveragePool" or graph.input(node, 0).quant == graph.output(node).quant:
        return False
    attrs = node.attrs
    padded = any(attrs.get("pads", ())) or attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    whole = not padded or int(attrs.get("count_include_pad", 0))
    return bool(whole and not int(attrs.get("ceil_mode", 0)) and len(attrs.get("kernel_shape", ())) == 2)


def _convolution(graph: Graph, node: Node, tensors: dict[str, Tensor]) -> Node:
    """Each channel's window times ones whose scale is one over their count."""
    channels = graph.input(node, 0).shape[1]
    ones = np.ones((channels, 1, *node.attrs["kernel_shape"]), np.int8)
    name = f"{node.outputs[0]}/ones"
    while name in tensors:
        name += "'"
    quant = QuantParams.per_tensor(channels / ones.size, 0)
    tensors[name] = Tensor(name, tuple(ones.shape), "int8", quant, ones)
    kept = ("pads", "strides", "dilations", "auto_pad", "activation")
    attrs = {key: value for key, value in node.attrs.items() if key in kept} | {"group": channels}
    return replace(node, op="Conv", inputs=(node.inputs[0], name), attrs=attrs)
