"""A model that ends with ARG_MAX: its output is an int32 place wherever an int8 score stood."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from qdq import Qdq

from edgeq import ops
from edgeq.bench.ledger import BoardTrace, Trace, compare_board, compare_layers, compare_traces, digest
from edgeq.convert import convert_onnx, file_layout, read_tflite, write_tflite
from edgeq.errors import BoardTrouble, Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.link.messages import ModelInfo, TensorInfo
from edgeq.ops import arg_max
from edgeq.pipeline.progress import Quiet
from edgeq.pipeline.scoring import integer_answers
from edgeq.plan import build_plan, decode_plan, encode_plan


def onnx_model(shape: tuple[int, ...], axis: int, keepdims: int, opset: int = 19, **attrs: int) -> bytes:
    b = Qdq(*shape)
    b.node("ArgMax", [b.x], "y", axis=axis, keepdims=keepdims, **attrs)
    value = helper.make_tensor_value_info("y", TensorProto.INT64, None)
    graph = helper.make_graph(b.nodes, "net", b.inputs, [value], b.initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def turned(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return values.transpose(0, 2, 3, 1) if values.ndim == 4 else values


@pytest.mark.parametrize(
    ("shape", "axis", "keepdims", "opset"),
    [
        *(((1, 5, 3, 4), axis, keep, 19) for axis, keep in itertools.product((1, 2, 3, -1), (0, 1))),
        *(((1, 10), axis, keep, opset) for opset in range(13, 24) for axis, keep in ((1, 0), (-1, 1))),
        ((1, 6, 5), 1, 0, 18),
        ((1, 6, 5), 2, 1, 18),
    ],
)
def test_the_integer_graph_finds_the_places_that_onnx_finds(
    shape: tuple[int, ...], axis: int, keepdims: int, opset: int
) -> None:
    data = onnx_model(shape, axis, keepdims, opset)
    graph = convert_onnx(data, "m")
    assert [n.op for n in graph.nodes if n.op != "TRANSPOSE"] == ["ARG_MAX", *["RESHAPE"] * keepdims]
    assert graph.tensor(graph.outputs[0]).dtype == "int32"
    (given,) = graph.inputs
    for seed in range(4):
        q = np.random.default_rng(seed).integers(-2, 3, shape).astype(np.int8)  # many equals
        expected = np.argmax(q, axis, keepdims=bool(keepdims))
        found = ops.run(graph, {given: np.ascontiguousarray(turned(q))})[graph.outputs[0]]
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, turned(expected))


def test_no_transpose_is_needed_along_the_channels() -> None:
    for keepdims in (0, 1):
        assert "TRANSPOSE" not in {n.op for n in convert_onnx(onnx_model((1, 5, 3, 4), 1, keepdims), "m").nodes}


def test_the_last_of_equals_and_the_batch_are_refused() -> None:
    with pytest.raises(Unsupported, match="the last of equals"):
        convert_onnx(onnx_model((1, 5), 1, 0, select_last_index=1), "m")
    with pytest.raises(Unsupported, match="along axis 0"):
        convert_onnx(onnx_model((1, 5), 0, 1), "m")


def with_output(dtype: str) -> Graph:
    tensors = {**arg_max.case((1, 4), 1).tensors, "y": Tensor("y", (1,), dtype)}
    node = Node("ARG_MAX", "arg_max", ("x", "axis"), ("y",), {"output_type": 2})
    return Graph("g", tensors, (node,), ("x",), ("y",))


@pytest.mark.parametrize("dtype", ["int64", "int8"])
def test_another_type_is_refused(dtype: str) -> None:
    with pytest.raises(Unsupported, match=f"gives {dtype}"):
        ops.check(with_output(dtype))


def test_nothing_computes_with_a_place() -> None:
    graph = with_output("int32")
    total = Tensor("z", (1,), "int8", QuantParams.per_tensor(0.1, 0))
    node = Node("ADD", "z", ("y", "y"), ("z",), {"activation": "NONE"})
    with pytest.raises(Unsupported, match="needs int8"):
        ops.check(Graph("g", {**graph.tensors, "z": total}, (*graph.nodes, node), ("x",), ("z",)))


def test_an_input_of_places_is_not_planned() -> None:
    shape = Tensor("shape", (2,), "int32", None, np.array([1, 4], np.int32))
    tensors = {"x": Tensor("x", (1, 2, 2), "int32"), "shape": shape, "y": Tensor("y", (1, 4), "int32")}
    graph = Graph("g", tensors, (Node("RESHAPE", "y", ("x", "shape"), ("y",)),), ("x",), ("y",))
    with pytest.raises(Unsupported, match="an input in int32"):
        build_plan(graph, file_layout(write_tflite(graph)))


def test_the_plan_says_which_tensor_is_int32() -> None:
    tflite = write_tflite(arg_max.case((1, 3, 4, 5), 3))
    plan = build_plan(read_tflite(tflite), file_layout(tflite))
    output = plan.tensors[plan.output]
    assert (output.dtype, output.bytes, output.dims, output.scale, output.zero_point) == (
        "int32",
        48,
        (1, 1, 3, 4),
        1,
        0,
    )
    data = encode_plan(plan)
    assert decode_plan(data).tensors[plan.output].dtype == "int32" and encode_plan(decode_plan(data)) == data


def test_the_link_tells_places_from_scores_by_the_bytes() -> None:
    assert TensorInfo(4, 1.0, 0, (1, 1, 1, 1)).is_int32
    assert not TensorInfo(4, 1.0, 0, (1, 1, 1, 4)).is_int32
    with pytest.raises(BoardTrouble, match="8 bytes in dims"):
        TensorInfo(8, 1.0, 0, (1, 1, 1, 4))
    with pytest.raises(BoardTrouble, match="an input of int32"):
        ModelInfo("m", TensorInfo(4, 1.0, 0, (1, 1, 1, 1)), TensorInfo(1, 1.0, 0, (1, 1, 1, 1)), 1, 0, 8, 8, 0, 64, "")


def trace(values: Trace) -> BoardTrace:
    """A board of one step that gives `values`, of one input."""
    return BoardTrace(("y",), ((digest(values["y"][0]),),), lambda i, step: values["y"][i].tobytes())


def test_the_ledger_compares_places_beyond_int8() -> None:
    graph = arg_max.case((1, 300), 1)
    x = np.full((1, 300), -128, np.int8)
    x[0, 299] = 5
    values = ops.run(graph, {"x": x})
    assert values["y"].tolist() == [299]
    wrong = {**values, "y": values["y"] - 256}
    for hop in (
        compare_traces("a", graph, values, wrong),
        compare_layers("b", graph, wrong),
        compare_board("c", trace(wrong), values),
    ):
        assert (hop.status, hop.max_lsb) == ("differs", 256)
        assert hop.first_difference is not None
        assert {hop.first_difference.expected, hop.first_difference.got} == {299, 43}
    assert compare_board("d", trace(values), values).equal


def test_the_place_is_the_answer() -> None:
    inputs = np.random.default_rng(1).integers(-128, 128, (20, 300), dtype=np.int8)
    answers = integer_answers(arg_max.case((1, 300), 1), inputs, Quiet())
    np.testing.assert_array_equal(answers, inputs.argmax(axis=1))
