"""Where TFLite wants one scale and zero point on both sides and the model has two, something between them rescales.

Needs: ONNX operators on integers, NCHW. Promises: operators that only choose among integers, or average them, keep
scale and zero point; a QuantizeLinear with one input stands in front of them or behind them instead. An average
becomes a depthwise convolution, which rescales by itself, unless padding cuts its windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.window import LIMIT

# These write at the scale of their first input.
KEEPING = (
    "MaxPool", "AveragePool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Pad",
    "Resize", "DepthToSpace", "SpaceToDepth",
)  # fmt: skip
# These read at the scale of their output.
JOINING = ("Concat", "Max", "Min")


def rescale(graph: Graph) -> Graph:
    """Graph -> Graph."""
    return _Rescale(graph).run()


class _Rescale:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors = dict(graph.tensors)
        self.nodes: list[Node] = []

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if node.op in KEEPING and any(self._differ(node.inputs[0], name) for name in node.outputs):
                self._behind(node)
            elif node.op in JOINING:
                self._in_front(node)
            else:
                self.nodes.append(node)
        return self.graph.rebuilt(self.nodes, self.tensors)

    def _differ(self, a: str, b: str) -> bool:
        return self.tensors[a].quant != self.tensors[b].quant

    def _behind(self, node: Node) -> None:
        if _is_convolution(node):
            self.nodes.append(self._convolution(node))
            return
        quant = self.tensors[node.inputs[0]].quant
        kept = [name if not self._differ(node.inputs[0], name) else self._like(name, quant) for name in node.outputs]
        self.nodes.append(replace(node, outputs=tuple(kept)))
        self._requantise(node, kept, node.outputs)

    def _in_front(self, node: Node) -> None:
        (y,) = node.outputs
        read = [self._at_scale_of(y, name) if self._differ(name, y) else name for name in node.inputs]
        self._requantise(node, node.inputs, read)
        self.nodes.append(replace(node, inputs=tuple(read)))

    def _at_scale_of(self, y: str, name: str) -> str:
        tensor, quant = self.tensors[name], self.tensors[y].quant
        if tensor.data is None or tensor.quant is None or quant is None:
            return self._like(name, quant)
        values = quant.quantise(tensor.quant.dequantise(tensor.data), "int8")
        return self._add(replace(tensor, name=f"{name}/rescaled", quant=quant, data=values))

    def _requantise(self, node: Node, sources: Sequence[str], targets: Sequence[str]) -> None:
        for source, target in zip(sources, targets, strict=True):
            if source != target and not self.tensors[target].is_constant:
                self.nodes.append(Node("QuantizeLinear", f"{node.name}/rescale", (source,), (target,)))

    def _convolution(self, node: Node) -> Node:
        """Each channel's window times ones whose scale is one over their count."""
        channels = self.graph.input(node, 0).shape[1]
        ones = np.ones((channels, 1, *node.attrs["kernel_shape"]), np.int8)
        quant = QuantParams.per_tensor(channels / ones.size, 0)
        name = self._add(Tensor(f"{node.outputs[0]}/ones", tuple(ones.shape), "int8", quant, ones))
        kept = ("pads", "strides", "dilations", "auto_pad", "activation")
        attrs = {key: value for key, value in node.attrs.items() if key in kept} | {"group": channels}
        return replace(node, op="Conv", inputs=(node.inputs[0], name), attrs=attrs)

    def _like(self, name: str, quant: QuantParams | None) -> str:
        return self._add(replace(self.tensors[name], name=f"{name}/rescaled", quant=quant))

    def _add(self, tensor: Tensor) -> str:
        while tensor.name in self.tensors:
            tensor = replace(tensor, name=f"{tensor.name}'")
        self.tensors[tensor.name] = tensor
        return tensor.name


def _is_convolution(node: Node) -> bool:
    attrs = node.attrs
    size = attrs.get("kernel_shape", ())
    padded = any(attrs.get("pads", ())) or attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    whole = not padded or int(attrs.get("count_include_pad", 0))
    return bool(
        node.op == "AveragePool" and whole and not int(attrs.get("ceil_mode", 0))
        and len(size) == 2 and 1 <= min(size) <= max(size) <= LIMIT
    )  # fmt: skip
