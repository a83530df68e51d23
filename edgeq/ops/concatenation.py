"""CONCATENATION: tensors of one scale and zero point behind each other along an axis."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Turning
from edgeq.ops.movement import Move, axis_of, mover, part
from edgeq.ops.operator import Lowering, require_int8, require_same_quantisation, seeded

MOST_INPUTS = 10  # TFLite Micro's own limit


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """The sum of the inputs' sizes along the axis."""
    shapes = [graph.tensor(name).shape for name in node.inputs]
    axis = axis_of(node, int(node.attrs["axis"]), len(shapes[0]))
    return *shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]


def check(graph: Graph, node: Node) -> None:
    """int8, one quantisation, equal shapes but for the axis, no fused activation."""
    inputs = [graph.input(node, i) for i in range(len(node.inputs))]
    require_int8(graph, node, *inputs, graph.output(node))
    require_same_quantisation(graph, node, *inputs, graph.output(node))
    if not 1 <= len(inputs) <= MOST_INPUTS or node.attrs["activation"] != "NONE":
        raise Unsupported(
            f"CONCATENATION of {len(inputs)} tensors with the activation {node.attrs['activation']}; "
            f"TFLite Micro takes up to {MOST_INPUTS} and none",
            where=f"node {node.name}",
        )
    axis = axis_of(node, int(node.attrs["axis"]), len(inputs[0].shape))
    if len({(*t.shape[:axis], 0, *t.shape[axis + 1 :]) for t in inputs}) > 1:
        shown = ", ".join(str(list(t.shape)) for t in inputs)
        raise Unsupported(f"CONCATENATION of {shown} along axis {axis}", where=f"node {node.name}")


def moves(graph: Graph, node: Node) -> list[Move]:
    """Each input to its part of the output."""
    (target,) = node.outputs
    axis = axis_of(node, int(node.attrs["axis"]), len(graph.output(node).shape))
    out, start = [], 0
    for name in node.inputs:
        stop = start + graph.tensor(name).shape[axis]
        out.append(Move(name, target, lambda whole: whole, part(axis, start, stop)))
        start = stop
    return out


def turn(turning: Turning, node: Node) -> None:
    """All in the layout of the first activation."""
    first = next((n for n in node.inputs if not turning.graph.tensor(n).is_constant), node.inputs[0])
    layout = turning.layout(first)
    axis = turning.axis(first, int(node.attrs["axis"]))
    inputs = [turning.read(name, layout) for name in node.inputs]
    turning.emit(node, inputs, [turning.write(node.outputs[0], layout)], axis=axis)


def from_onnx(low: Lowering, node: Node) -> None:
    """Concat; more operands than TFLite Micro takes are joined in several steps."""
    y = low.graph.output(node)
    axis = int(node.attrs["axis"])
    names = list(node.inputs)
    while len(names) > MOST_INPUTS:
        head = [low.tensors[name] for name in names[:MOST_INPUTS]]
        shape = (*y.shape[:axis], sum(t.shape[axis] for t in head), *y.shape[axis + 1 :])
        joined = low.activation(f"{y.name}/{len(names)}", shape, y.quant)
        low.emit("CONCATENATION", joined, names[:MOST_INPUTS], [joined], axis=axis, activation="NONE")
        names = [joined, *names[MOST_INPUTS:]]
    low.emit("CONCATENATION", node.name, names, node.outputs, axis=axis, activation="NONE")


def _case(shapes: list[tuple[int, ...]], axis: int, constant: bool = False) -> Graph:
    quant = QuantParams.per_tensor(0.1, 5)
    tensors = [Tensor(f"x{i}", shape, "int8", quant) for i, shape in enumerate(shapes)]
    if constant:
        tensors.append(Tensor("c", shapes[0], "int8", quant, seeded(*shapes[0])))
    names = tuple(t.name for t in tensors)
    out = list(shapes[0])
    out[axis] = sum(t.shape[axis] for t in tensors)
    node = Node("CONCATENATION", "concat", names, ("y",), {"axis": axis, "activation": "NONE"})
    every = {t.name: t for t in (*tensors, Tensor("y", tuple(out), "int8", quant))}
    return Graph("concatenation", every, (node,), names[: len(shapes)], ("y",))


def cases() -> Iterable[Graph]:
    """Each axis, uneven sizes, ranks, an operand that is a constant, one operand alone."""
    for axis in (1, 2, 3, -1):
        yield _case([(1, 3, 4, 5), tuple(np.add((1, 3, 4, 5), np.eye(4, dtype=int)[axis] * 2).tolist())], axis)
    yield _case([(1, 7), (1, 3)], 1)
    yield _case([(1, 4, 3)], -1, constant=True)
    yield _case([(1, 3, 3, 2)], 1)


OPERATOR = mover(
    moves, name="CONCATENATION", code=2, options="ConcatenationOptions",
    fields={"axis": "axis", "activation": "fusedActivationFunction"}, version=2,
    output_shape=output_shape, check=check, cases=cases, onnx=("Concat",), from_onnx=from_onnx, turn=turn,
)  # fmt: skip
