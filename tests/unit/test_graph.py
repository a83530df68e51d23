"""The graph: what it refuses, and its text form."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import Builder, every_kernel
from hypothesis import given
from hypothesis import strategies as st

from edgeq.errors import BadInput
from edgeq.graph import ABSENT, Graph, Node, QuantParams, Tensor, to_text

GOLDEN = Path(__file__).parents[1] / "golden" / "every-kernel.txt"


@pytest.mark.parametrize(
    ("scale", "zero_point", "axis", "message"),
    [
        ((), (), None, "do not belong together"),
        ((0.1, 0.2), (0,), 0, "do not belong together"),
        ((0.1, 0.2), (0, 0), None, "axis"),
        ((0.1,), (0,), 0, "axis"),
        ((0.0,), (0,), None, "above zero"),
        ((-0.1,), (0,), None, "above zero"),
        ((math.nan,), (0,), None, "above zero"),
        ((math.inf,), (0,), None, "above zero"),
    ],
)
def test_impossible_quantisations_are_refused(scale: Any, zero_point: Any, axis: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        QuantParams(scale, zero_point, axis)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dtype": "float16"}, "float16"),
        ({"shape": (1, -1)}, "not fixed"),
        ({"data": np.zeros((3, 2), np.int8)}, "holds an array"),
        ({"quant": QuantParams((0.1, 0.2), (0, 0), 0)}, "along axis 0"),
        ({"quant": QuantParams((0.1, 0.2), (0, 0), 2)}, "along axis 2"),
        ({"quant": QuantParams.per_tensor(0.1, 128)}, "zero point"),
        ({"quant": QuantParams.per_tensor(0.1, -129)}, "zero point"),
    ],
)
def test_impossible_tensors_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        replace(Tensor("t", (1, 2), "int8"), **fields)
    assert caught.value.where == "tensor t"


def graph(nodes: list[Node], inputs: tuple[str, ...] = ("x",), outputs: tuple[str, ...] = ("y",)) -> Graph:
    tensors = {n: Tensor(n, (1, 2), "int8") for n in ("x", "y", "z")}
    return Graph("g", tensors, tuple(nodes), inputs, outputs)


def node(inputs: str, outputs: str) -> Node:
    return Node("ADD", "add", tuple(inputs.split()), tuple(outputs.split()))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("x x", "none")], "writes none, which does not exist"),
        ([node("x none", "y")], "reads none, which does not exist"),
        ([node("x z", "y")], "before it is written"),
        ([node("z x", "y"), node("y x", "z")], "a cycle"),
        ([node("x x", "y"), node("x x", "y")], "written already"),
        ([node("x x", "x")], "written already"),
        ([node("x x", "z")], "nothing writes the output y"),
    ],
)
def test_impossible_graphs_are_refused(nodes: list[Node], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        graph(nodes)


def test_ends_must_exist() -> None:
    for ends in ({"inputs": ("none",)}, {"outputs": ("none",)}):
        with pytest.raises(BadInput, match="none"):
            graph([node("x x", "y")], **ends)
    with pytest.raises(BadInput, match="filed under"):
        Graph("g", {"x": Tensor("t", (1,), "int8")}, (), (), ())


def test_a_graph_answers_what_is_where() -> None:
    g = every_kernel()
    conv, total = g.nodes[0], g.tensor("total")
    assert g.input(conv, 0).name == "x" and g.output(conv).name == "stem"
    assert g.constant(conv, 1).shape == (4, 3, 3, 3)
    assert g.optional_input(conv, 3) is None
    assert [n.op for n in g.consumers()["pooled"]] == ["PAD", "ADD"]
    assert (total.elements, total.bytes, total.zero_point) == (64, 64, -128)
    for index, message in ((0, "must be a constant"), (3, "has no input 3")):
        with pytest.raises(BadInput, match=message):
            g.constant(conv, index)
    with pytest.raises(BadInput, match="not quantised per tensor"):
        _ = g.tensor("w1").scale


def test_a_rebuilt_graph_forgets_what_nothing_mentions() -> None:
    g = every_kernel()
    shorter = g.rebuilt(g.nodes[:1], outputs=("stem",))
    assert set(shorter.tensors) == {"x", "w1", "b1", "stem"}


def test_the_text_form() -> None:
    """Refresh with `python tests/unit/test_graph.py`, and read the difference."""
    assert to_text(every_kernel()) == GOLDEN.read_text(encoding="utf-8")


def test_the_text_form_shows_what_is_left_out() -> None:
    b = Builder("g")
    x = b.activation("x", (1, 2), 0.5, 0)
    y = b.node("FULLY_CONNECTED", [x, b.weights("w", 1, 2), ABSENT], b.activation("y", (1, 1), 0.5, 1))
    assert "<- x, w int8[1x2]*" in to_text(b.graph(y)) and ", -\n" in to_text(b.graph(y))


@given(st.floats(1e-3, 1e3), st.integers(-128, 127), st.integers(-128, 127))
def test_integers_survive_the_way_through_real_values(scale: float, zero_point: int, q: int) -> None:
    quant = QuantParams.per_tensor(scale, zero_point)
    values = np.array([[q]], np.int8)
    assert quant.quantise(quant.dequantise(values), "int8") == values


def test_quantising_rounds_half_to_even_and_saturates() -> None:
    quant = QuantParams.per_tensor(2.0, 1)
    assert quant.quantise(np.array([1, 3, -1, 1e9, -1e9]), "int8").tolist() == [1, 3, 1, 127, -128]
    along = QuantParams((1.0, 10.0), (0, 0), 1)
    assert along.dequantise(np.array([[2, 2], [3, 3]], np.int8)).tolist() == [[2, 20], [3, 30]]


if __name__ == "__main__":
    GOLDEN.write_text(to_text(every_kernel()), encoding="utf-8")
