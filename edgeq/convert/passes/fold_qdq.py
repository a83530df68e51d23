"""QuantizeLinear and DequantizeLinear become the QuantParams of integer tensors.

Needs: ONNX operators; every activation quantised, as QDQ. Promises: no DequantizeLinear; every operator reads and
writes integer tensors; a QuantizeLinear that is left has one input and goes from one scale to another. A float island
is an error that names the node.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import ABSENT, Graph, Node, QuantParams, Tensor

# What these write is part of what they read: without a quantisation of its own it has the input's. They mean the same
# on integers as on the real numbers that those stand for.
PASS_THROUGH = (
    "MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "DepthToSpace",
    "SpaceToDepth",
)  # fmt: skip
# Real constants that are bounds, fillings or factors, never quantised.
PLAIN_INPUTS = {"Clip": (1, 2), "Pad": (2,), "Resize": (1, 2)}
# Real constants that are quantised when the operator is lowered.
REAL_INPUTS = {
    "Conv": (2,), "ConvTranspose": (2,), "Gemm": (2,), "BatchNormalization": (1, 2, 3, 4), "PRelu": (1,), "Div": (1,),
    **dict.fromkeys(("Add", "Sub", "Mul", "Max", "Min"), (0, 1)),
}  # fmt: skip
INTEGERS = ("int8", "uint8")
# These write places, in int64; TFLite's are int32. A place is no quantised value, and stays what it is.
PLACES = ("ArgMax",)


def fold_qdq(graph: Graph) -> Graph:
    """Graph -> Graph."""
    return _Fold(graph).run()


class _Fold:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.integer: dict[str, str] = {}  # float tensor -> the integer tensor that stands for it
        self.nodes: list[Node] = []
        self.readers = graph.consumers()

    def run(self) -> Graph:
        graph = self.graph
        inputs = tuple(self._quantised_input(n) for n in graph.inputs)
        for node in graph.nodes:
            if node.op == "QuantizeLinear":
                self._quantize(node)
            elif node.op == "DequantizeLinear":
                self._dequantize(node)
            else:
                self._operator(node)
        outputs = tuple(self._final(n) for n in graph.outputs)
        return graph.rebuilt(self.nodes, self.tensors, inputs=inputs, outputs=outputs)

    def _quantised_input(self, name: str) -> str:
        """A float input of the model is replaced by what its one QuantizeLinear writes."""
        if self.graph.tensor(name).dtype != "float32":
            return name
        quantised = self._quantize_readers(name)
        floats = [node for node in self.readers.get(name, ()) if node not in quantised]
        if floats or not quantised:
            raise Unsupported(
                f"the input {name} is not quantised" + (f": {floats[0].op} reads it in float" if floats else ""),
                where=f"node {floats[0].name}" if floats else self.graph.name,
                hint="quantise the input too (QuantizeLinear and DequantizeLinear behind it)",
            )
        return self._settle(name, quantised[0])

    def _quantize_readers(self, name: str) -> list[Node]:
        return [n for n in self.readers.get(name, ()) if n.op == "QuantizeLinear"]

    def _settle(self, name: str, quantize: Node) -> str:
        """The float tensor `name` lives on as the integer output of `quantize`."""
        q, params = quantize.outputs[0], self._params(quantize)
        if params.is_per_channel:
            raise Unsupported(
                f"an activation with {len(params.scale)} scales along axis {params.axis}: TFLite has one for each",
                where=f"node {quantize.name}", hint="quantise activations per tensor, and weights alone per channel",
            )  # fmt: skip
        self.tensors[q] = replace(self.graph.tensor(q), quant=params)
        self.integer[name] = q
        return q

    def _params(self, node: Node) -> QuantParams:
        if self.graph.input(node, 1).elements > 1 and len(self.graph.input(node, 1).shape) > 1:
            raise Unsupported("quantisation by blocks", where=f"node {node.name}", hint="quantise per channel")
        scale = self.graph.constant(node, 1).astype(np.float32).reshape(-1)
        zero = self.graph.optional_input(node, 2)
        zeros = np.zeros(len(scale), np.int64) if zero is None else self.graph.constant(node, 2).reshape(-1)
        axis = None
        if len(scale) > 1:
            rank = len(self.graph.input(node, 0).shape)
            axis = int(node.attrs.get("axis", min(1, rank - 1)))  # the default, 1, does not fit a bias
            axis += rank if axis < 0 else 0
            if not 0 <= axis < rank:
                raise BadInput(f"axis {node.attrs['axis']} of a rank {rank} tensor", where=f"node {node.name}")
        try:
            return QuantParams(tuple(float(s) for s in scale), tuple(int(z) for z in zeros), axis)
        except BadInput as e:
            raise BadInput(e.what, where=f"node {node.name}") from e

    def _quantize(self, node: Node) -> None:
        source, q = node.inputs[0], node.outputs[0]
        params, tensor_q = self._params(node), self.graph.output(node)
        tensor = self.graph.input(node, 0)
        if tensor.data is not None:  # an unfolded weight: quantise it here
            if not np.all(np.isfinite(tensor.data)):
                raise BadInput(f"{source} holds values that are not finite", where=f"node {node.name}")
            values = params.quantise(tensor.data, tensor_q.dtype)
            self.tensors[q] = replace(tensor_q, quant=params, data=values)
            return
        there = self.integer.get(source)
        if there is None:
            raise Unsupported(f"{source} is quantised before it is computed", where=f"node {node.name}")
        if there == q:
            return
        if self.tensors[there].quant == params and self.tensors[there].dtype == tensor_q.dtype:
            self.integer[q] = there  # a second reader with the same parameters
            return
        self.tensors[q] = replace(tensor_q, quant=params)
        self.nodes.append(replace(node, inputs=(there,), attrs={}))  # from one scale to another

    def _dequantize(self, node: Node) -> None:
        q = self.integer.get(node.inputs[0], node.inputs[0])
        params, tensor = self._params(node), self.tensors[q]
        if tensor.quant is None:
            self.tensors[q] = tensor = replace(tensor, quant=params)
        if tensor.quant != params:
            if tensor.data is None:
                raise BadInput(
                    f"{q} is dequantised with another scale than it was quantised with", where=f"node {node.name}"
                )
            q = node.outputs[0]  # equal integers that stand for two constants
            self.tensors[q] = replace(tensor, name=q, quant=params)
        self.integer[node.outputs[0]] = q

    def _operator(self, node: Node) -> None:
        inputs = tuple(self._operand(node, i) for i in range(len(node.inputs)))
        outputs = tuple(self._result(node, name, inputs[0]) for name in node.outputs)
        self.nodes.append(replace(node, inputs=inputs, outputs=outputs))

    def _operand(self, node: Node, index: int) -> str:
        name = node.inputs[index]
        if name == ABSENT:
            return name
        if name in self.integer:
            return self.integer[name]
        tensor = self.tensors[name]
        if tensor.is_constant and tensor.dtype == "float32":
            if index in PLAIN_INPUTS.get(node.op, ()) or index in REAL_INPUTS.get(node.op, ()):
                return name
        elif tensor.dtype not in ("float32", *INTEGERS):
            return name  # a shape, axes or amounts
        elif tensor.quant is not None and (node.op in PASS_THROUGH or node.op == "Concat"):
            return name  # an operator on integers
        raise Unsupported(
            f"{node.op} reads {name} in {tensor.dtype}, unquantised", where=f"node {node.name}",
            hint="quantise every activation and weight (QuantizeLinear and DequantizeLinear around each operator)",
        )  # fmt: skip

    def _result(self, node: Node, name: str, source: str) -> str:
        quantised = self._quantize_readers(name)
        if quantised and len(quantised) == len(self.readers[name]):
            return self._settle(name, quantised[0])
        given = self.tensors[source] if source != ABSENT else None
        if name == ABSENT or given is None:
            return name
        if node.op in PLACES:
            self.tensors[name] = replace(self.tensors[name], dtype="int32")
            return name
        if node.op in PASS_THROUGH or self.tensors[name].dtype in INTEGERS:
            self.tensors[name] = replace(self.tensors[name], dtype=given.dtype, quant=given.quant)
            self.integer[name] = name
            return name
        raise Unsupported(
            f"the result {name} of {node.op} is used in float: no QuantizeLinear behind it", where=f"node {node.name}",
            hint="quantise every activation (the operator is not fused with what follows it)",
        )  # fmt: skip

    def _final(self, name: str) -> str:
        if self.graph.tensor(name).dtype != "float32":
            return self.integer.get(name, name)
        if name not in self.integer:
            raise Unsupported(f"the output {name} is float", where=self.graph.name)
        return self.integer[name]
