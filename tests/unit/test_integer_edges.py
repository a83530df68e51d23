"""A `.tflite` with float or uint8 ends, as TensorFlow's converter writes them, becomes one with int8 ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from edited import TYPES, converted_ends, edited, operator, twin
from graphs import Builder
from numpy.typing import NDArray

from edgeq import ops
from edgeq.convert import integer_edges, read_tflite, write_tflite
from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph
from edgeq.pipeline.prepare import load_tflite

KINDS = ("float32", "uint8")


def integer_graph() -> Graph:
    b = Builder("net")
    x = b.activation("x", (1, 4, 4, 2), 0.05, -3)
    weights = b.weights("w", 3, 3, 3, 2)
    return b.graph(b.conv(x, weights, b.bias("b", x, weights), b.activation("y", (1, 4, 4, 3), 0.04, 5), "SAME"))


def with_edges(graph: Graph, kind: str) -> bytes:
    """The graph between a QUANTIZE and a DEQUANTIZE, or a QUANTIZE to uint8."""
    return edited(write_tflite(graph), converted_ends(getattr(TYPES, kind.upper())))


def answer(data: bytes, x: NDArray[Any]) -> NDArray[Any]:
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


@pytest.mark.parametrize("kind", KINDS)
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
    def quantised_again(model: Any) -> None:
        (sub,) = model.subgraphs
        again = twin(model, sub.operators[-1].inputs[0], TYPES.INT8)
        sub.operators.append(operator(model, "QUANTIZE", sub.outputs[0], again))
        sub.outputs = [again]

    with pytest.raises(Unsupported, match="DEQUANTIZE is not supported"):
        load_tflite(edited(with_edges(integer_graph(), "float32"), quantised_again), "net.tflite")


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_a_conversion_of_nothing_is_refused(field: str) -> None:
    def emptied(model: Any) -> None:
        setattr(model.subgraphs[0].operators[-1], field, [])

    with pytest.raises(BadInput):
        load_tflite(edited(with_edges(integer_graph(), "float32"), emptied), "net.tflite")
