"""SQUEEZE and EXPAND_DIMS: axes of one element go or come. The bytes stay where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.operator import Array, Operator, constant_ints, require_int8, require_same_quantisation


def squeezed_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """Without the named axes, or without all of one element if none is named."""
    shape = graph.input(node, 0).shape
    named = {axis + len(shape) if axis < 0 else axis for axis in node.attrs["squeeze_dims"]}
    gone = named or {axis for axis, n in enumerate(shape) if n == 1}
    if any(not 0 <= axis < len(shape) or shape[axis] != 1 for axis in gone) or 0 in gone:
        raise Unsupported(f"SQUEEZE of axes {sorted(gone)} of {list(shape)}", where=f"node {node.name}")
    return tuple(n for axis, n in enumerate(shape) if axis not in gone)


def expanded_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """With an axis of one element more."""
    shape, axes = graph.input(node, 0).shape, constant_ints(graph, node, 1)
    axis = axes[0] + len(shape) + 1 if len(axes) == 1 and axes[0] < 0 else axes[0] if len(axes) == 1 else 0
    if not 0 < axis <= len(shape):
        raise Unsupported(f"EXPAND_DIMS of {list(shape)} at {axes}", where=f"node {node.name}")
    return *shape[:axis], 1, *shape[axis:]


def check(graph: Graph, node: Node) -> None:
    """int8, one quantisation."""
    x, y = graph.input(node, 0), graph.output(node)
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y)


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """The same values."""
    return inputs[0].reshape(len(inputs[0]), *graph.output(node).shape[1:])


def _graph(op: str, x: tuple[int, ...], y: tuple[int, ...], axes: list[int]) -> Graph:
    quant = QuantParams.per_tensor(0.1, 1)
    tensors = {"x": Tensor("x", x, "int8", quant), "y": Tensor("y", y, "int8", quant)}
    if op == "SQUEEZE":
        node = Node(op, "squeeze", ("x",), ("y",), {"squeeze_dims": axes})
    else:
        tensors["axis"] = Tensor("axis", (1,), "int32", None, np.array(axes, np.int32))
        node = Node(op, "expand", ("x", "axis"), ("y",))
    return Graph(op.lower(), tensors, (node,), ("x",), ("y",))


def squeeze_cases() -> Iterable[Graph]:
    """Some axes of one element, named from either end."""
    yield _graph("SQUEEZE", (1, 1, 1, 5), (1, 5), [1, 2])
    yield _graph("SQUEEZE", (1, 1, 4, 1), (1, 1, 4), [-1])


def expand_cases() -> Iterable[Graph]:
    """In the middle and behind."""
    yield _graph("EXPAND_DIMS", (1, 5, 2), (1, 1, 5, 2), [1])
    yield _graph("EXPAND_DIMS", (1, 5), (1, 5, 1), [-1])


SQUEEZE = Operator(
    name="SQUEEZE", code=43, options="SqueezeOptions", fields={"squeeze_dims": "squeezeDims"}, version=1,
    output_shape=squeezed_shape, check=check, reference=reference, cases=squeeze_cases,
)  # fmt: skip
EXPAND_DIMS = Operator(
    name="EXPAND_DIMS", code=70, options="ExpandDimsOptions", fields={}, version=1,
    output_shape=expanded_shape, check=check, reference=reference, cases=expand_cases,
)  # fmt: skip
