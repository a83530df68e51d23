"""A `.tflite` with float or uint8 ends, as TensorFlow's converter writes them, becomes one with int8 ends."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from graphs import Builder
from numpy.typing import NDArray

from edgeq import ops
from edgeq.convert import integer_edges, read_tflite, write_tflite
from edgeq.errors import Unsupported
from edgeq.graph import Graph
from edgeq.pipeline.prepare import load_tflite

TYPES = {"float32": schema.TensorType.FLOAT32, "uint8": schema.TensorType.UINT8}


def integer_graph() -> Graph:
    b = Builder("net")
    x = b.activation("x", (1, 4, 4, 2), 0.05, -3)
    weights = b.weights("w", 3, 3, 3, 2)
    return b.graph(b.conv(x, weights, b.bias("b", x, weights), b.activation("y", (1, 4, 4, 3), 0.04, 5), "SAME"))


def with_edges(graph: Graph, kind: str) -> bytes:
    """The graph between a QUANTIZE and a DEQUANTIZE, or a QUANTIZE to uint8."""
    data = write_tflite(graph)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    (sub,) = model.subgraphs
    before, after = (_twin(sub, ends[0], kind) for ends in (sub.inputs, sub.outputs))
    last = "QUANTIZE" if kind == "uint8" else "DEQUANTIZE"
    sub.operators.insert(0, _operator(model, "QUANTIZE", before, sub.inputs[0]))
    sub.operators.append(_operator(model, last, sub.outputs[0], after))
    sub.inputs, sub.outputs = [before], [after]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _twin(sub: Any, index: int, kind: str) -> int:
    twin, inner = schema.TensorT(), sub.tensors[index]
    twin.name, twin.shape, twin.type, twin.buffer = f"{kind} {index}", inner.shape, TYPES[kind], 0
    if kind == "uint8":
        twin.quantization = schema.QuantizationParametersT()
        twin.quantization.scale = inner.quantization.scale
        twin.quantization.zeroPoint = np.asarray(inner.quantization.zeroPoint) + 128
    sub.tensors.append(twin)
    return len(sub.tensors) - 1


def _operator(model: Any, op: str, source: int, target: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, op)
    code.version = 1
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = len(model.operatorCodes) - 1, [source], [target]
    return operator


def answer(data: bytes, x: NDArray[Any]) -> NDArray[Any]:
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


@pytest.mark.parametrize("kind", TYPES)
def test_ends_become_integers(kind: str) -> None:
    data = with_edges(integer_graph(), kind)
    loaded = load_tflite(data, "net.tflite")
    assert [node.op for node in loaded.graph.nodes] == ["CONV_2D"]
    q = np.random.default_rng(0).integers(-128, 128, (1, 4, 4, 2), dtype=np.int8)
    given, result = (loaded.graph.tensor(names[0]).quant for names in (loaded.graph.inputs, loaded.graph.outputs))
    assert given is not None and result is not None
    found = ops.run(loaded.graph, {loaded.graph.inputs[0]: q})[loaded.graph.outputs[0]]
    if kind == "uint8":
        theirs = answer(data, (q.astype(int) + 128).astype(np.uint8)).astype(int) - 128
    else:
        theirs = result.quantise(answer(data, given.dequantise(q)), "int8").astype(int)
    assert np.abs(theirs - found).max() <= 1  # LiteRT's default kernels round otherwise


def test_integer_ends_stay_and_so_does_the_file() -> None:
    data = write_tflite(integer_graph())
    graph = read_tflite(data)
    assert integer_edges(graph) is graph
    assert load_tflite(data, "net.tflite").tflite == data


def test_float_in_the_middle_is_refused() -> None:
    data = with_edges(integer_graph(), "float32")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    (sub,) = model.subgraphs
    again = schema.TensorT()
    again.name, again.shape, again.type, again.buffer = "again", [1, 4, 4, 3], schema.TensorType.INT8, 0
    again.quantization = sub.tensors[sub.operators[-1].inputs[0]].quantization
    sub.tensors.append(again)
    sub.operators.append(_operator(model, "QUANTIZE", sub.outputs[0], len(sub.tensors) - 1))
    sub.outputs = [len(sub.tensors) - 1]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    with pytest.raises(Unsupported, match="DEQUANTIZE is not supported"):
        load_tflite(bytes(builder.Output()), "net.tflite")
