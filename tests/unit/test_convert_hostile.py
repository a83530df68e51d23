"""Files that are damaged, contradict themselves or want too much: a clear error, soon, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from graphs import every_kernel
from hostile import TESTS, limited
from onnx import TensorProto, helper
from qdq import Qdq

from edgeq.convert import write_tflite

KINDS = ("onnx", "tflite")


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_copies(kind: str) -> None:
    ends = limited(kind, 0, 300)
    assert sum(ends.values()) == 300 and ends["BadInput"] > 150 and ends["read"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_copies(kind: str, part: int) -> None:
    assert sum(limited(kind, 1000 * part, 1000).values()) == 1000


def small() -> Qdq:
    q = Qdq(1, 3, 4, 4)
    q.qdq(q.node("Conv", [q.x, q.weights("w", 3, 3, 1, 1)], "y"), 0.1, 0)
    return q


def cyclic() -> bytes:
    q = small()
    model = q.model("y.dq")
    model.graph.node[2].input[0] = "y.dq"  # x's part
    model.graph.node[0].input[0] = "y.dq"
    return bytes(model.SerializeToString())


def of_shape(*shape: int) -> bytes:
    """A model whose input has that shape, and which never says more of it than that."""
    q = Qdq(*shape)
    return bytes(q.model(q.node("Relu", [q.x], "y")).SerializeToString())


def huge_window() -> bytes:
    q = Qdq(1, 3, 4, 4)
    size = 1 << 20
    q.node("AveragePool", [q.x], "y", kernel_shape=[size] * 2, pads=[size] * 4, count_include_pad=1)
    return bytes(q.model(q.qdq("y", 0.2, 0)).SerializeToString())


def huge_padding() -> bytes:
    q = Qdq(1, 3, 4, 4)
    q.node("Pad", [q.x, q.constant("amounts", np.array([0, 0, 0, 0, 0, 0, 1 << 40, 1 << 40], np.int64))], "y")
    return bytes(q.model(q.qdq("y", 0.05, 3)).SerializeToString())


def huge_constant() -> bytes:
    q = small()
    (w,) = [t for t in q.initialisers if t.name == "w.q"]
    w.dims[:] = [1 << 31, 1 << 31, 1, 1]
    return bytes(q.model("y.dq").SerializeToString())


def many_ones() -> bytes:
    """A shape that says more elements than there are bytes, by an operator that repeats them."""
    q = small()
    q.node("ConstantOfShape", [q.constant("shape", np.array([1 << 30, 1 << 30], np.int64))], "ones")
    return bytes(q.model("y.dq").SerializeToString())


def function_that_calls_itself() -> bytes:
    q = small()
    call = helper.make_node("Again", ["a"], ["b"], domain="local")
    model = q.model("y.dq")
    model.graph.node.append(helper.make_node("Again", ["y.dq"], ["z"], domain="local", name="again"))
    imports = [helper.make_opsetid("", 19), helper.make_opsetid("local", 1)]
    model.functions.append(helper.make_function("local", "Again", ["a"], ["b"], [call], imports))
    model.opset_import.append(helper.make_opsetid("local", 1))
    return bytes(model.SerializeToString())


def nested(depth: int) -> bytes:
    """If within If; written byte by byte, since protobuf itself builds no deep message."""

    def field(number: int, content: bytes) -> bytes:
        length, digits = len(content), b""
        while length > 127:
            digits, length = digits + bytes([length % 128 + 128]), length // 128
        return bytes([number * 8 + 2]) + digits + bytes([length]) + content

    graph = field(2, b"g")
    for _ in range(depth):
        branch = field(1, b"then_branch") + field(6, graph) + bytes([20 << 3 & 127 | 128, 1, 5])  # type GRAPH
        graph = field(1, field(1, b"c") + field(2, b"z") + field(4, b"If") + field(5, branch)) + field(2, b"g")
    opset = field(8, bytes([16, 19]))
    return bytes([8, 9]) + field(7, graph) + opset


def outside(location: str) -> bytes:
    model = small().model("y.dq")
    constant = model.graph.initializer[2]
    constant.ClearField("raw_data")
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value=location)
    return bytes(model.SerializeToString())


def sliced(step: int, height: int | None = None) -> bytes:
    """A Slice of which onnx's own shape inference ends the process."""
    q = Qdq(1, 3, 4, 4)
    values = {"from": 0, "to": 1, "axes": 2, "steps": step}
    inputs = [q.constant(name, np.array([value], np.int64)) for name, value in values.items()]
    model = q.model(q.x)
    model.graph.node.append(helper.make_node("Slice", ["x.dq", *inputs], ["y"], name="sliced"))
    if height is not None:
        model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = height
    return bytes(model.SerializeToString())


def sparse() -> bytes:
    model = small().model("y.dq")
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [3])
    model.graph.node[3].input.append("s")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))
    return bytes(model.SerializeToString())


def qlinear_without_inputs() -> bytes:
    model = small().model("y.dq")
    model.graph.node.append(helper.make_node("QLinearConv", ["y.q"], ["z"], name="short"))
    return bytes(model.SerializeToString())


def qlinear_of_computed_scales() -> bytes:
    q = small()
    names = ["y.q", "y", "y.zero", "w.q", "y", "w.zero", "y.scale", "y.zero", "y.q"]
    q.nodes.append(helper.make_node("QLinearConv", names, ["z"], name="computed"))
    return bytes(q.model("y.dq").SerializeToString())


ONNX: dict[str, tuple[Callable[[], bytes], str]] = {
    "cyclic": (cyclic, "topologically sorted"),
    "huge input": (lambda: of_shape(1, 1 << 16, 1 << 16, 1 << 16), "a shape of"),
    "an input of 2^62": (lambda: of_shape(1, 1 << 62), "a shape of"),
    "huge window": (huge_window, "a shape of"),
    "huge padding": (huge_padding, "a shape of"),
    "huge constant": (huge_constant, "model.onnx"),
    "many ones": (many_ones, "a shape of"),
    "a function that calls itself": (function_that_calls_itself, "model.onnx"),
    "nested": (lambda: nested(20), "model.onnx"),
    "nested too deep": (lambda: nested(300), "model.onnx"),
    "data in another folder": (lambda: outside("../../../etc/passwd"), "beside the model"),
    "data of another root": (lambda: outside("/etc/passwd"), "beside the model"),
    "a slice of endless steps": (lambda: sliced(1 << 62), "sliced"),
    "a slice of a negative shape": (lambda: sliced(1, -1), "a negative dimension"),
    "sparse": (sparse, "does not exist"),
    "QLinearConv without inputs": (qlinear_without_inputs, "short"),
    "QLinearConv of computed scales": (qlinear_of_computed_scales, "computed"),
    "nothing but a name": (lambda: onnx.ModelProto(producer_name="x" * 1000).SerializeToString(), "no graph"),
}


def shared_lists(what: str) -> bytes:
    """A file of a few megabytes whose thousands of tables are one and the same, with one long list in it."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(write_tflite(every_kernel()), 0))
    sub = model.subgraphs[0]
    table = sub.tensors[1] if what != "operands" else sub.operators[0]
    many = 200_000
    if what == "name":
        table.name = "x" * (1 << 20)
    elif what == "scales":
        table.quantization.scale, table.quantization.zeroPoint = np.ones(many, np.float32), np.zeros(many, np.int64)
    elif what == "operands":
        table.inputs = np.zeros(many, np.int32)
    builder = flatbuffers.Builder(1 << 22)
    one = table.Pack(builder)
    table.Pack = lambda _: one
    if what == "operands":
        sub.operators = [table] * many
    else:
        sub.tensors = [table] * many
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def read_alone(kind: str, data: bytes, folder: Path) -> str:
    """The error in which one file ends, read in a process under limits."""
    path = folder / "model"
    path.write_bytes(data)
    command = [sys.executable, str(TESTS / "hostile.py"), kind, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return str(json.loads(ran.stdout))


@pytest.mark.parametrize("name", ONNX)
def test_onnx_models_that_want_too_much(name: str, tmp_path: Path) -> None:
    make, message = ONNX[name]
    assert message in read_alone("onnx", make(), tmp_path)


@pytest.mark.parametrize("what", ["name", "scales", "operands"])
def test_lists_that_thousands_share(what: str, tmp_path: Path) -> None:
    data = shared_lists(what)
    assert len(data) < 8 << 20
    assert "more than its bytes can hold" in read_alone("tflite", data, tmp_path)
