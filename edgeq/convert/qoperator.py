"""ONNX's operators on integers, QLinearConv and its kin, become float ones between DequantizeLinear and QuantizeLinear.

That is what they are defined as, so that all that follows knows one form. It is done to the file's own nodes, since
onnx infers no shapes of onnxruntime's operators.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgeq.errors import BadInput, Unsupported

ONNX_DOMAINS = ("", "ai.onnx")
MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class _Form:
    """`op` on floats. Inputs are triples of tensor, scale and zero point that start at `operands`; `result` is where
    the output's scale and zero point start, `bias` where an int32 bias stands, if there may be one."""

    op: str
    operands: tuple[int, ...]
    result: int
    bias: int | None = None


_FORMS = {
    "QLinearConv": _Form("Conv", (0, 3), 6, bias=8),
    "QLinearMatMul": _Form("MatMul", (0, 3), 6),
    "QGemm": _Form("Gemm", (0, 3), 7, bias=6),
    "QLinearAdd": _Form("Add", (0, 3), 6),
    "QLinearMul": _Form("Mul", (0, 3), 6),
    "QLinearGlobalAveragePool": _Form("GlobalAveragePool", (0,), 3),
    "QLinearAveragePool": _Form("AveragePool", (0,), 3),
    "QLinearReduceMean": _Form("ReduceMean", (0,), 3),
    "QLinearSigmoid": _Form("Sigmoid", (0,), 3),
    "QLinearLeakyRelu": _Form("LeakyRelu", (0,), 3),
    "QLinearSoftmax": _Form("Softmax", (0,), 3),
    "QLinearConcat": _Form("Concat", (), 0),  # as many operands as there are, behind the result
}
_QDQ = ("QuantizeLinear", "DequantizeLinear")
_OF_ONNX = ("QLinearConv", "QLinearMatMul")
# Attributes that say what the float form does anyway.
_IMPLIED = {"channels_last": 0, "opset": None}


def expand_qoperators(model: onnx.ModelProto) -> None:
    """Rewrites the nodes of `model` in place; Unsupported where one has no float form."""
    expansion = _Expansion(model)
    nodes = [made for i, node in enumerate(model.graph.node) for made in expansion.of(node, i)]
    if expansion.changed:
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(expansion.constants)


class _Expansion:
    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.changed = False
        self.constants: list[onnx.TensorProto] = []
        self.known: Mapping[str, onnx.TensorProto] = {t.name: t for t in graph.initializer} | {
            n.output[0]: a.t for n in graph.node if n.op_type == "Constant" and n.output for a in n.attribute
        }
        self.opset = next((o.version for o in model.opset_import if o.domain in ONNX_DOMAINS), 0)
        self.taken = {name for node in graph.node for name in (*node.input, *node.output)} | set(self.known)

    def of(self, node: onnx.NodeProto, index: int) -> Iterator[onnx.NodeProto]:
        """The nodes that stand for one."""
        if node.domain == MICROSOFT and node.op_type in _QDQ:
            self.changed = True
            plain = onnx.NodeProto()
            plain.CopyFrom(node)
            plain.domain = ""
            yield plain
        elif node.op_type in _FORMS and (node.domain == MICROSOFT or node.op_type in _OF_ONNX):
            self.changed = True
            yield from self._expanded(node, _FORMS[node.op_type], f"node {node.name or index}")
        else:
            yield node

    def _expanded(self, node: onnx.NodeProto, form: _Form, where: str) -> Iterator[onnx.NodeProto]:
        inputs, attributes = list(node.input), self._attributes(node, where)
        operands = form.operands or tuple(range(2, len(inputs), 3))
        fewest = max(form.result, *(at for at in operands), 0) + 2
        if len(inputs) < fewest or len(node.output) != 1 or not inputs[form.result]:
            raise BadInput(f"{node.op_type} with {len(inputs)} inputs", where=where, hint="onnxruntime refuses it too")
        floats = []
        for number, at in enumerate(operands):
            axis = self._channel_axis(node.op_type, attributes, inputs[at + 1]) if number == 1 else None
            given = [name for name in (inputs[at : at + 3] + [""] * 3)[:3] if name]
            floats.append(self._fresh(f"{node.output[0]}/{number}"))
            yield self._node("DequantizeLinear", given, floats[-1], node, {} if axis is None else {"axis": axis})
        if form.bias is not None and len(inputs) > form.bias and inputs[form.bias]:
            scale = self._constant(inputs[1], where) * self._constant(inputs[4], where)
            name = self._new(f"{node.output[0]}/bias/scale", scale * np.float32(attributes.get("alpha", 1)))
            zero = self._new(f"{node.output[0]}/bias/zero", np.zeros(scale.shape, np.int32))
            floats.append(self._fresh(f"{node.output[0]}/bias"))
            along = {"axis": 0} if scale.size > 1 else {}
            yield self._node("DequantizeLinear", [inputs[form.bias], name, zero], floats[-1], node, along)
        if form.op == "ReduceMean" and self.opset >= 18 and "axes" in attributes:
            floats.append(self._new(f"{node.output[0]}/axes", np.array(attributes.pop("axes"), np.int64)))
        result = self._fresh(f"{node.output[0]}/real")
        real = helper.make_node(form.op, floats, [result], name=node.name)
        real.attribute.extend(a for a in node.attribute if a.name in attributes)
        yield real
        params = [name for name in inputs[form.result : form.result + 2] if name]
        yield self._node("QuantizeLinear", [result, *params], node.output[0], node, {})

    def _attributes(self, node: onnx.NodeProto, where: str) -> dict[str, Any]:
        try:
            attributes: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        except ValueError as e:
            raise BadInput("has a damaged attribute", where=where) from e
        for name, implied in _IMPLIED.items():
            if attributes.pop(name, implied) != implied and implied is not None:
                raise Unsupported(f"{node.op_type} with {name}", where=where, hint="export in NCHW")
        return attributes

    def _channel_axis(self, op: str, attributes: Mapping[str, Any], scale: str) -> int | None:
        """Where the second operand's channels lie if it has a scale for each."""
        values = self.known.get(scale)
        if values is None or int(np.prod(values.dims)) == 1:
            return None
        return 0 if op == "QLinearConv" or (op == "QGemm" and attributes.get("transB")) else 1

    def _constant(self, name: str, where: str) -> NDArray[np.float32]:
        if name not in self.known:
            raise Unsupported(f"a scale that is no constant ({name})", where=where)
        try:
            return np.asarray(numpy_helper.to_array(self.known[name]), np.float32)
        except (ValueError, TypeError) as e:
            raise BadInput("is damaged", where=f"constant {name}") from e

    def _node(
        self, op: str, inputs: list[str], output: str, node: onnx.NodeProto, attributes: Mapping[str, int]
    ) -> onnx.NodeProto:
        made = helper.make_node(op, inputs, [output], name=f"{node.name or node.output[0]}/{op}")
        made.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        return made

    def _new(self, name: str, values: NDArray[np.generic]) -> str:
        fresh = self._fresh(name)
        self.constants.append(numpy_helper.from_array(np.asarray(values), fresh))
        return fresh

    def _fresh(self, name: str) -> str:
        while name in self.taken:
            name += "'"
        self.taken.add(name)
        return name
