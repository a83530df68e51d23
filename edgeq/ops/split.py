"""SPLIT and SPLIT_V: equal or given parts of a tensor along an axis."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Turning
from edgeq.ops.movement import Move, axis_of, mover, part
from edgeq.ops.operator import Lowering, constant_ints, require_int8, require_same_quantisation


def _operands(graph: Graph, node: Node) -> tuple[Tensor, int, list[int]]:
    """(the tensor, the axis, the parts' sizes)."""
    count = int(node.attrs["num_splits"])
    if node.op == "SPLIT":
        x, axes = graph.input(node, 1), constant_ints(graph, node, 0)
    else:
        x, axes = graph.input(node, 0), constant_ints(graph, node, 2)
    if len(axes) != 1 or count < 1:
        raise Unsupported(f"{node.op} into {count} along axes {axes}", where=f"node {node.name}")
    axis = axis_of(node, axes[0], len(x.shape))
    size = x.shape[axis]
    parts = [size // count] * count if node.op == "SPLIT" else constant_ints(graph, node, 1)
    if parts.count(-1) == 1:
        parts[parts.index(-1)] = size - sum(parts) - 1
    if len(parts) != count or min(parts) < 1 or sum(parts) != size:
        raise Unsupported(f"{node.op} of {size} into {parts}", where=f"node {node.name}")
    return x, axis, parts


def output_shape(graph: Graph, node: Node) -> list[tuple[int, ...]]:
    """One shape per part."""
    x, axis, parts = _operands(graph, node)
    return [(*x.shape[:axis], n, *x.shape[axis + 1 :]) for n in parts]


def check(graph: Graph, node: Node) -> None:
    """int8, one quantisation, parts that are the whole."""
    x, _, _ = _operands(graph, node)
    outputs = [graph.tensor(name) for name in node.outputs]
    require_int8(graph, node, x, *outputs)
    require_same_quantisation(graph, node, x, *outputs)


def moves(graph: Graph, node: Node) -> list[Move]:
    """Each part to its output."""
    x, axis, parts = _operands(graph, node)
    ends = np.cumsum(parts).tolist()
    return [
        Move(x.name, name, part(axis, end - size, end))
        for name, size, end in zip(node.outputs, parts, ends, strict=True)
    ]


def turn(turning: Turning, node: Node) -> None:
    """The stored axis."""
    x = node.inputs[0]
    layout = turning.layout(x)
    outputs = [turning.write(name, layout) for name in node.outputs]
    turning.emit(node, [turning.read(x)], outputs, axis=turning.axis(x, int(node.attrs.get("axis", 0))))


def from_onnx(low: Lowering, node: Node) -> None:
    """Split, into equal parts or not."""
    x, axis = node.inputs[0], int(node.attrs["axis"])
    sizes = [low.graph.tensor(name).shape[axis] for name in node.outputs]
    along = low.constant(f"{node.outputs[0]}/axis", np.array(axis, np.int32))
    if len(set(sizes)) == 1:
        low.emit("SPLIT", node.name, [along, x], node.outputs, num_splits=len(sizes))
        return
    parts = low.constant(f"{node.outputs[0]}/sizes", np.array(sizes, np.int32))
    low.emit("SPLIT_V", node.name, [x, parts, along], node.outputs, num_splits=len(sizes))


def _case(shape: tuple[int, ...], axis: int, parts: list[int], given: list[int] | None = None) -> Graph:
    quant = QuantParams.per_tensor(0.1, -9)
    outputs = [Tensor(f"y{i}", (*shape[:axis], n, *shape[axis + 1 :]), "int8", quant) for i, n in enumerate(parts)]
    along = Tensor("axis", (), "int32", None, np.array(axis, np.int32))
    sizes = Tensor("sizes", (len(parts),), "int32", None, np.array(given or parts, np.int32))
    op, inputs = ("SPLIT_V", ("x", "sizes", "axis")) if given else ("SPLIT", ("axis", "x"))
    tensors = {t.name: t for t in (Tensor("x", shape, "int8", quant), along, sizes, *outputs)}
    names = tuple(t.name for t in outputs)
    node = Node(op, "split", inputs, names, {"num_splits": len(parts)})
    return Graph("split", {n: tensors[n] for n in (*inputs, *names)}, (node,), ("x",), names)


def split_cases() -> Iterable[Graph]:
    """Each axis, into one, two and three."""
    yield _case((1, 4, 3, 6), 1, [2, 2])
    yield _case((1, 4, 3, 6), 2, [1, 1, 1])
    yield _case((1, 4, 3, 6), 3, [3, 3])
    yield _case((1, 10), 1, [10])


def split_v_cases() -> Iterable[Graph]:
    """Uneven parts, one of them left to be reckoned."""
    yield _case((1, 4, 3, 7), 3, [1, 4, 2], [1, 4, 2])
    yield _case((1, 5, 2), 1, [2, 3], [2, -1])


SPLIT = mover(
    moves, name="SPLIT", code=49, options="SplitOptions", fields={"num_splits": "numSplits"}, version=2,
    output_shape=output_shape, check=check, cases=split_cases, onnx=("Split",), from_onnx=from_onnx, turn=turn,
)  # fmt: skip
SPLIT_V = mover(
    moves, name="SPLIT_V", code=102, options="SplitVOptions", fields={"num_splits": "numSplits"}, version=2,
    output_shape=output_shape, check=check, cases=split_v_cases,
)  # fmt: skip
