"""LiteRT's reference kernels beside TFLite Micro's: what docs/numerics.md#litert says of each operator."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeq import ops
from edgeq.convert import write_tflite
from edgeq.graph import Graph
from edgeq.ops.numerics import activation_range
from edgeq.ops.weights import bias_values, channel_multipliers

# Rounds once where TFLite Micro rounds twice; every other operator is equal.
ROUNDS_ONCE = {"FULLY_CONNECTED"}
# Gives something else altogether.
APART = {"SUM"}
SAMPLES = 200


def _litert(graph: Graph) -> Interpreter:
    interpreter = Interpreter(
        model_content=write_tflite(graph), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    return interpreter


def _differences(graph: Graph) -> list[int]:
    """The largest difference of each sample, LiteRT against the integer reference."""
    rng = np.random.default_rng(0)
    shapes = {name: graph.tensor(name).shape[1:] for name in graph.inputs}
    feeds = {name: rng.integers(-128, 128, (SAMPLES, *shape), dtype=np.int8) for name, shape in shapes.items()}
    expected = ops.run(graph, feeds)
    interpreter = _litert(graph)
    index = {details["name"]: details["index"] for details in interpreter.get_input_details()}
    outputs = [details["index"] for details in interpreter.get_output_details()]
    out = []
    for i in range(SAMPLES):
        for name, values in feeds.items():
            interpreter.set_tensor(index[name], values[i : i + 1])
        interpreter.invoke()
        for name, output in zip(graph.outputs, outputs, strict=True):
            out.append(int(np.abs(interpreter.get_tensor(output)[0] - expected[name][i].astype(int)).max()))
    return out


def _has_bias(graph: Graph) -> bool:
    return graph.nodes[0].op != "CONV_2D" or len(graph.nodes[0].inputs) == 3


@pytest.mark.parametrize("name", [name for name in ops.OPS if name not in APART])
def test_litert_is_equal_or_a_named_lsb_away(name: str) -> None:
    differences = [d for graph in ops.OPS[name].cases() if _has_bias(graph) for d in _differences(graph)]
    assert max(differences) == (1 if name in ROUNDS_ONCE else 0)
    assert np.count_nonzero(differences) <= len(differences) // 50


@pytest.mark.parametrize(
    "graph", list(ops.OPS["FULLY_CONNECTED"].cases()), ids=lambda graph: str(graph.tensor("w").shape)
)
def test_litert_rounds_a_fully_connected_once(graph: Graph) -> None:
    (node,) = graph.nodes
    x, weights, y = graph.tensor("x"), graph.constant(node, 1), graph.tensor("y")
    multipliers, shifts = channel_multipliers(graph, node, len(weights))
    values = np.random.default_rng(0).integers(-128, 128, (SAMPLES, *x.shape[1:]), dtype=np.int8)
    acc = (values.astype(int) - x.zero_point) @ weights.T.astype(int) + bias_values(graph, node, len(weights))
    once = ((acc * multipliers >> (30 - shifts)) + 1 >> 1) + y.zero_point
    expected = np.clip(once, *activation_range(node.attrs["activation"], y.scale, y.zero_point))
    interpreter = _litert(graph)
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    for i in range(SAMPLES):
        interpreter.set_tensor(given["index"], values[i : i + 1])
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_tensor(answer["index"])[0], expected[i])


@pytest.mark.parametrize("name", APART)
def test_litert_is_far_apart(name: str) -> None:
    assert min(max(_differences(graph)) for graph in ops.OPS[name].cases()) > 1


def test_litert_refuses_a_convolution_without_bias() -> None:
    (without,) = [graph for graph in ops.OPS["CONV_2D"].cases() if not _has_bias(graph)]
    with pytest.raises(RuntimeError, match="has_bias"):
        _litert(without)
