"""Strict: a model is wholly integer, or the error names the rule, the ONNX node, and the line of the user's code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from qdq import Qdq

from edgeq.convert import convert_onnx, write_tflite
from edgeq.errors import BadInput


def with_lines(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every node says that it comes from the line of its number."""
    for i, node in enumerate(model.graph.node):
        node.metadata_props.add(key="edgeq.source", value=f"net.py:{i}")
    return model


def line_of(model: onnx.ModelProto, name: str) -> str:
    (at,) = [i for i, node in enumerate(model.graph.node) if node.name == name]
    return f"(net.py:{at})"


def start() -> Qdq:
    return Qdq(1, 4, 4, 4)


def conv(q: Qdq, x: str, y: str) -> str:
    return q.node("Conv", [x, q.weights(f"{y}.w", 4, 4, 1, 1)], y)


def end(q: Qdq, y: str) -> onnx.ModelProto:
    return q.model(q.qdq(y, 0.1, 0))


def island() -> onnx.ModelProto:
    """Two operators compute in float, between two that are quantised."""
    q = start()
    a = q.qdq(conv(q, q.x, "a"), 0.05, 0)
    product = q.node("Mul", [q.node("Sigmoid", [a], "s"), a], "m")
    return end(q, conv(q, q.qdq(product, 0.05, 0), "y"))


def edge_behind() -> onnx.ModelProto:
    q = start()
    return end(q, conv(q, conv(q, q.x, "a"), "y"))


def edge_in_front() -> onnx.ModelProto:
    q = start()
    return end(q, conv(q, "x", "y"))


def edge_at_the_end() -> onnx.ModelProto:
    q = start()
    return q.model(conv(q, q.x, "y"))


def one_of_two_readers() -> onnx.ModelProto:
    """Quantised for one reader and read in float by the other."""
    q = start()
    a = conv(q, q.x, "a")
    return end(q, q.node("Add", [q.qdq(a, 0.05, 0), a], "y"))


def float_weights() -> onnx.ModelProto:
    q = start()
    return end(q, q.node("Conv", [q.x, q.constant("w", np.ones((4, 4, 1, 1), np.float32))], "y"))


def two_scales() -> onnx.ModelProto:
    q = start()
    wrong = q.node("DequantizeLinear", ["x.q", *q.params("other", 0.1, 0)], "wrong")
    return end(q, conv(q, wrong, "y"))


def channels_of_an_activation() -> onnx.ModelProto:
    q = start()
    a = conv(q, q.x, "a")
    params = q.params("p", [0.1, 0.2, 0.3, 0.4], [0] * 4)
    q.node("QuantizeLinear", [a, *params], "a.q", axis=1)
    return end(q, conv(q, q.node("DequantizeLinear", ["a.q", *params], "a.dq", axis=1), "y"))


def asymmetric_weights() -> onnx.ModelProto:
    q = start()
    values = [q.constant("w.q", np.ones((4, 4, 1, 1), np.int8)), *q.params("w", 0.1, 5)]
    return end(q, q.node("Conv", [q.x, q.node("DequantizeLinear", values, "w")], "y"))


def unknown_operator() -> onnx.ModelProto:
    q = start()
    return end(q, q.node("Erf", [q.x], "y"))


def foreign_operator() -> onnx.ModelProto:
    q = start()
    q.nodes.append(helper.make_node("Mystery", [q.x], ["y"], name="the y", domain="example.org"))
    return q.model(q.x)


def form_without_a_twin() -> onnx.ModelProto:
    q = start()
    y = q.node("MaxPool", [q.x], "y", kernel_shape=[2, 2], dilations=[2, 2])
    return end(q, y)


def shape_from_values() -> onnx.ModelProto:
    """How many rows are left depends on what they hold."""
    q = start()
    q.node("NonZero", [q.x], "y")
    return q.model(q.x)


def no_scale() -> onnx.ModelProto:
    q = start()
    return q.model(conv(q, q.qdq(conv(q, q.x, "a"), 0.0, 0), "y"))


def weights_without_a_scale() -> onnx.ModelProto:
    q = start()
    values = [q.constant("w.q", np.ones((4, 4, 1, 1), np.int8)), *q.params("w", np.nan, 0)]
    return end(q, q.node("Conv", [q.x, q.node("DequantizeLinear", values, "w")], "y"))


def requantised_too_far() -> onnx.ModelProto:
    """An output so fine that no multiplier reaches it."""
    q = start()
    return q.model(q.qdq(conv(q, q.x, "y"), 1e-30, 0))


# What breaks the rule, the words that name the rule, and the node.
STRICT: dict[str, tuple[Callable[[], onnx.ModelProto], Sequence[str], str]] = {
    "a float island": (island, ["used in float", "QuantizeLinear"], "the s"),
    "no QDQ behind": (edge_behind, ["used in float", "no QuantizeLinear behind it"], "the a"),
    "no QDQ in front": (edge_in_front, ["input x is not quantised"], "the y"),
    "no QDQ at the end": (edge_at_the_end, ["used in float", "no QuantizeLinear behind it"], "the y"),
    "no QDQ for one reader": (one_of_two_readers, ["used in float"], "the a"),
    "float weights": (float_weights, ["float32, unquantised"], "the y"),
    "two scales": (two_scales, ["another scale"], "the wrong"),
    "an activation's channels": (channels_of_an_activation, ["4 scales along axis 1", "one for each"], "the a.q"),
    "weights that are not symmetric": (asymmetric_weights, ["symmetric"], "the y"),
    "an operator of no one": (unknown_operator, ["Erf is not supported"], "the y"),
    "an operator of another's": (foreign_operator, ["example.org::Mystery"], "the y"),
    "a form without a twin": (form_without_a_twin, ["dilat"], "the y"),
    "a shape from values": (shape_from_values, ["not fixed"], "the y"),
    "a scale of nothing": (no_scale, ["above zero"], "the a.q"),
    "weights' scale is none": (weights_without_a_scale, ["above zero, not nan"], "the w"),
    "a factor beyond": (requantised_too_far, ["too large"], "the y"),
}


@pytest.mark.parametrize("name", STRICT)
def test_the_error_names_rule_node_and_line(name: str) -> None:
    make, rule, node = STRICT[name]
    model = with_lines(make())
    with pytest.raises(BadInput) as caught:
        write_tflite(convert_onnx(model.SerializeToString(), "model.onnx"))
    for words in rule:
        assert words in caught.value.what
    assert f"node {node} {line_of(model, node)}" in caught.value.where


def dynamic(q: Qdq) -> bytes:
    q.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 4, 4])]
    return bytes(with_lines(end(q, conv(q, q.x, "y"))).SerializeToString())


def test_a_dynamic_input_is_named() -> None:
    """No node makes it, so that there is no line of code."""
    with pytest.raises(BadInput, match=r"not fixed \(batch\)") as caught:
        convert_onnx(dynamic(start()), "model.onnx")
    assert caught.value.where == "tensor x"


TRACE = """File "/home/me/net.py", line 8, in forward
    return self.net(x)
  File "/home/me/blocks.py", line 21, in forward
    return self.conv(x)
  File "/venv/lib/python3.12/site-packages/torch/nn/modules/conv.py", line 565, in forward
    return self._conv_forward(input, self.weight, self.bias)"""


def test_the_line_of_a_stack_trace_is_the_innermost_that_is_not_torchs() -> None:
    model = edge_behind()
    for node in model.graph.node:
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=TRACE)
    with pytest.raises(BadInput) as caught:
        convert_onnx(model.SerializeToString(), "model.onnx")
    assert caught.value.where == "node the a (/home/me/blocks.py:21)"


def test_without_a_line_the_node_is_named_alone() -> None:
    with pytest.raises(BadInput) as caught:
        convert_onnx(edge_behind().SerializeToString(), "model.onnx")
    assert caught.value.where == "node the a"


def test_two_nodes_of_one_name_have_no_line() -> None:
    model = with_lines(edge_behind())
    for node in model.graph.node:
        node.name = "same"
    with pytest.raises(BadInput) as caught:
        convert_onnx(model.SerializeToString(), "model.onnx")
    assert caught.value.where == "node same"


def test_what_a_pass_makes_of_a_node_has_the_nodes_line() -> None:
    """A QuantizeLinear that rescales is called after the pool in front of it."""
    q = start()
    pooled = q.node("MaxPool", [q.x], "y", kernel_shape=[2, 2])
    model = with_lines(q.model(q.qdq(pooled, 1e-30, 0)))
    with pytest.raises(BadInput) as caught:
        convert_onnx(model.SerializeToString(), "model.onnx")
    assert caught.value.where == f"node the y/rescale {line_of(model, 'the y')}"


@pytest.mark.parametrize("op", ["Concat", "Max", "Min"])
def test_what_is_joined_at_two_scales_is_rescaled_not_refused(op: str) -> None:
    q = start()
    other = q.qdq(conv(q, q.x, "a"), 0.2, 7)
    attributes = {"axis": 1} if op == "Concat" else {}
    graph = convert_onnx(bytes(end(q, q.node(op, [q.x, other], "y", **attributes)).SerializeToString()), "m")
    assert [node.op for node in graph.nodes].count("QUANTIZE") == 2  # either operand, to the output's scale
    assert {graph.tensor(name).quant for name in graph.nodes[-1].inputs} == {graph.output(graph.nodes[-1]).quant}
