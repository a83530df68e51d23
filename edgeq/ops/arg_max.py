"""ARG_MAX along any axis but the batch: int32 places, as the end of a model. Of equals the first counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Layout, Turning, usual
from edgeq.ops.movement import axis_of
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, constant_ints, pack_i32, require_int8

_INT32 = 2  # TFLite's TensorType of the output, which its options repeat


def _axis(graph: Graph, node: Node) -> int:
    axes = constant_ints(graph, node, 1)
    if len(axes) != 1:
        raise Unsupported(f"{node.op} along axes {axes}", where=f"node {node.name}")
    return axis_of(node, axes[0], len(graph.input(node, 0).shape))


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """Without the axis."""
    shape, axis = graph.input(node, 0).shape, _axis(graph, node)
    return *shape[:axis], *shape[axis + 1 :]


def check(graph: Graph, node: Node) -> None:
    """int8 in, int32 out, one axis that is not the batch; nothing but RESHAPE reads the output."""
    require_int8(graph, node, graph.input(node, 0))
    _axis(graph, node)
    y = graph.output(node)
    if y.dtype != "int32":
        raise Unsupported(
            f"{node.op} gives {y.dtype}; TFLite Micro has it in int32 alone", where=f"node {node.name}",
            hint="convert the model with an output of int32",
        )  # fmt: skip


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#arg-max."""
    return np.asarray(inputs[0].argmax(axis=_axis(graph, node)), np.int32)


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#arg_max_s8."""
    shape, axis = graph.input(node, 0).shape, _axis(graph, node)
    return Step("arg_max_s8", pack_i32(shape[axis], math.prod(shape[axis + 1 :])))


def turn(turning: Turning, node: Node) -> None:
    """The stored axis; where the others would be left in no order for a map, ONNX's own."""
    x, y = turning.graph.input(node, 0), turning.graph.output(node)
    axis = int(node.attrs.get("axis", 0)) % len(x.shape)
    kept = bool(node.attrs.get("keepdims", 1))
    layout = turning.layout(x.name)
    if not kept and _without(layout, axis) != usual(len(y.shape)):
        layout = tuple(range(len(x.shape)))
    source = turning.read(x.name, layout)
    turning.emit(
        node, [source], [turning.write(y.name, layout if kept else _without(layout, axis))], axis=layout.index(axis)
    )


def _without(layout: Layout, axis: int) -> Layout:
    return tuple(a - (a > axis) for a in layout if a != axis)


def from_onnx(low: Lowering, node: Node) -> None:
    """ArgMax that takes the first of equals, in int32; an axis that is kept comes back by a RESHAPE."""
    if int(node.attrs.get("select_last_index", 0)):
        raise Unsupported(f"{node.op} that takes the last of equals", where=f"node {node.name}")
    x, y, axis = low.graph.input(node, 0), low.graph.output(node), int(node.attrs["axis"])
    along = low.constant(f"{y.name}/axis", np.array(axis, np.int32))
    if not node.attrs.get("keepdims", 1):
        low.emit("ARG_MAX", node.name, [x.name, along], node.outputs, output_type=_INT32)
        return
    places = low.activation(f"{y.name}/places", (*x.shape[:axis], *x.shape[axis + 1 :]), None, "int32")
    low.emit("ARG_MAX", node.name, [x.name, along], [places], output_type=_INT32)
    shape = low.constant(f"{y.name}/shape", np.array(y.shape, np.int32))
    low.emit("RESHAPE", node.name, [places, shape], node.outputs)


def case(shape: tuple[int, ...], axis: int) -> Graph:
    """A graph of one ARG_MAX."""
    kept = tuple(n for i, n in enumerate(shape) if i != axis % len(shape))
    tensors = [
        Tensor("x", shape, "int8", QuantParams.per_tensor(0.1, -5)),
        Tensor("axis", (), "int32", None, np.array(axis, np.int32)),
        Tensor("y", kept, "int32"),
    ]
    node = Node("ARG_MAX", "arg_max", ("x", "axis"), ("y",), {"output_type": _INT32})
    return Graph("arg_max", {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """Scores of classes, maps along each axis, one element, and an axis of more than 256."""
    for classes in (1, 2, 10, 17, 300):
        yield case((1, classes), 1)
    for axis in (1, 2, 3, -1, -2):
        yield case((1, 3, 4, 5), axis)
    yield case((1, 1, 1, 7), 3)
    yield case((1, 6, 5), 1)
    yield case((1, 2, 3, 4, 2), 3)


OPERATOR = Operator(
    name="ARG_MAX", code=56, options="ArgMaxOptions", fields={"output_type": "outputType"}, version=2,
    output_shape=output_shape, check=check, reference=reference, cases=cases,
    onnx=("ArgMax",), from_onnx=from_onnx, turn=turn, step=step,
)  # fmt: skip
