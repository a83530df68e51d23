"""Where TFLite wants one scale and zero point on both sides and the model has two, something between them rescales.

Needs: ONNX operators on integers, NCHW. Promises: operators that only choose among integers, or average them, keep
scale and zero point, Softmax writes at its own; a QuantizeLinear with one input stands in front of them or behind them
instead. An average becomes a depthwise convolution, which rescales by itself, unless its windows are cut; padding that
counts is an operator of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.softmax import OUTPUT as SOFTMAX_OUTPUT
from edgeq.ops.window import LIMIT

# These write at the scale of their first input.
KEEPING = (
    "MaxPool", "AveragePool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Pad",
    "Resize", "DepthToSpace", "SpaceToDepth",
)  # fmt: skip
# These read at the scale of their output.
JOINING = ("Concat", "Max", "Min")
# These write at one scale by rule.
PRESCRIBED = {"Softmax": SOFTMAX_OUTPUT}


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
            elif _counts_padding(node):
                self.nodes += self._padded(node)
            elif node.op in PRESCRIBED and self.tensors[node.outputs[0]].quant != PRESCRIBED[node.op]:
                self._written_at(node, PRESCRIBED[node.op])
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
        self._written_at(node, self.tensors[node.inputs[0]].quant)

    def _written_at(self, node: Node, quant: QuantParams | None) -> None:
        kept = [name if self.tensors[name].quant == quant else self._like(name, quant) for name in node.outputs]
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

    def _padded(self, node: Node) -> tuple[Node, Node]:
        """The padding as an operator of its own, so that it counts whatever it is."""
        x, pads = self.tensors[node.inputs[0]], [int(p) for p in node.attrs["pads"]]
        half = len(pads) // 2
        amounts = np.array([0, 0, *pads[:half], 0, 0, *pads[half:]], np.int64)
        shape = (*x.shape[:2], *(d + a + b for d, a, b in zip(x.shape[2:], pads, pads[half:], strict=False)))
        padded = self._add(Tensor(f"{node.outputs[0]}/padded", shape, x.dtype, x.quant))
        constant = self._add(Tensor(f"{padded}/amounts", amounts.shape, "int64", None, amounts))
        attrs = {key: value for key, value in node.attrs.items() if key != "pads"}
        pad = Node("Pad", f"{node.name}/pad", (x.name, constant), (padded,))
        return pad, replace(node, inputs=(padded,), attrs=attrs)

    def _like(self, name: str, quant: QuantParams | None) -> str:
        return self._add(replace(self.tensors[name], name=f"{name}/rescaled", quant=quant))

    def _add(self, tensor: Tensor) -> str:
        while tensor.name in self.tensors:
            tensor = replace(tensor, name=f"{tensor.name}'")
        self.tensors[tensor.name] = tensor
        return tensor.name


def _is_padded(node: Node) -> bool:
    return any(node.attrs.get("pads", ())) or node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")


def _counts_padding(node: Node) -> bool:
    """Whether it is an average of what TFLite's pool leaves out: there padding does not count."""
    counts = bool(int(node.attrs.get("count_include_pad", 0)))
    return node.op == "AveragePool" and counts and any(node.attrs.get("pads", ()))


def _is_convolution(node: Node) -> bool:
    """Whether every window of an average has the same divisor."""
    size = node.attrs.get("kernel_shape", ())
    return bool(
        node.op == "AveragePool" and (not _is_padded(node) or _counts_padding(node))
        and not int(node.attrs.get("ceil_mode", 0)) and len(size) == 2 and 1 <= min(size) <= max(size) <= LIMIT
    )  # fmt: skip
