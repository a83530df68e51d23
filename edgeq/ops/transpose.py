"""TRANSPOSE: the axes in another order. The batch stays in front."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Turning
from edgeq.ops.movement import Move, mover
from edgeq.ops.operator import Lowering, constant_ints, require_int8, require_same_quantisation

MOST_AXES = 5  # what TFLite Micro takes


def _order(graph: Graph, node: Node) -> list[int]:
    """Where each axis of the output comes from."""
    order, rank = constant_ints(graph, node, 1), len(graph.input(node, 0).shape)
    if sorted(order) != list(range(rank)) or order[:1] != [0] or rank > MOST_AXES:
        raise Unsupported(f"TRANSPOSE of {rank} axes by {order}", where=f"node {node.name}")
    return order


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """The sizes in that order."""
    return tuple(graph.input(node, 0).shape[axis] for axis in _order(graph, node))


def check(graph: Graph, node: Node) -> None:
    """int8, one quantisation, an order that leaves the batch alone."""
    x, y = graph.input(node, 0), graph.output(node)
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y)
    _order(graph, node)


def moves(graph: Graph, node: Node) -> list[Move]:
    """All of it, in that order."""
    order = _order(graph, node)
    return [Move(node.inputs[0], node.outputs[0], lambda whole: whole.transpose(order))]


def turn(turning: Turning, node: Node) -> None:
    """Nothing moves: the result is what is stored already, in another layout. Who needs one turns it."""
    x, y = turning.graph.input(node, 0), turning.graph.output(node)
    order = [int(axis) for axis in node.attrs.get("perm", range(len(x.shape))[::-1])]
    turning.alias(y.name, x.name, tuple(order.index(axis) for axis in turning.layout(x.name)))


def from_onnx(low: Lowering, node: Node) -> None:
    """A Transpose of stored axes, or a RESHAPE where it moves axes of one element alone."""
    x, y, order = low.graph.input(node, 0), low.graph.output(node), node.attrs["perm"]
    moved = [axis for axis in order if x.shape[axis] != 1]
    if moved == sorted(moved):
        shape = low.constant(f"{y.name}/shape", np.array(y.shape, np.int32))
        low.emit("RESHAPE", node.name, [x.name, shape], node.outputs)
    else:
        table = low.constant(f"{y.name}/order", np.array(order, np.int32))
        low.emit("TRANSPOSE", node.name, [x.name, table], node.outputs)


def _case(shape: tuple[int, ...], order: list[int]) -> Graph:
    quant = QuantParams.per_tensor(0.1, -7)
    tensors = [
        Tensor("x", shape, "int8", quant),
        Tensor("order", (len(order),), "int32", None, np.array(order, np.int32)),
        Tensor("y", tuple(shape[axis] for axis in order), "int8", quant),
    ]
    node = Node("TRANSPOSE", "transpose", ("x", "order"), ("y",))
    return Graph("transpose", {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """To and from channels last, three axes, the channels of groups, and one that moves nothing."""
    yield _case((1, 3, 4, 5), [0, 2, 3, 1])
    yield _case((1, 3, 4, 5), [0, 3, 1, 2])
    yield _case((1, 3, 4, 5), [0, 3, 2, 1])
    yield _case((1, 6, 7), [0, 2, 1])
    yield _case((1, 3, 2, 4, 5), [0, 1, 2, 4, 3])
    yield _case((1, 3, 2, 4, 5), [0, 4, 3, 2, 1])
    yield _case((1, 1, 1, 9), [0, 3, 1, 2])


OPERATOR = mover(
    moves, name="TRANSPOSE", code=39, options="TransposeOptions", fields={}, version=2,
    output_shape=output_shape, check=check, cases=cases, onnx=("Transpose",), from_onnx=from_onnx, turn=turn,
)  # fmt: skip
