"""What operators with two operands share: broadcasting, and a constant operand (numerics.md#broadcast)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.numerics import INT8_MAX
from edgeq.ops.operator import Array, Lowering, require_int8, seeded

MAX_RANK = 4  # where shapes differ


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """The shape that both operands fit, last axis on last axis."""
    a, b = graph.input(node, 0), graph.input(node, 1)
    try:
        return tuple(int(d) for d in np.broadcast_shapes(a.shape, b.shape))
    except ValueError:
        raise BadInput(
            f"{node.op} of {list(a.shape)} and {list(b.shape)}, which do not fit", where=f"node {node.name}"
        ) from None


def check_operands(graph: Graph, node: Node) -> None:
    """int8 throughout; at most one constant; the first axis is the batch and is not broadcast."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    require_int8(graph, node, a, b, y)
    shape = output_shape(graph, node)
    if a.is_constant and b.is_constant:
        raise Unsupported(f"{node.op} of two constants", where=f"node {node.name}", hint="fold it into one")
    widest = max(len(t.shape) for t in (a, b) if not t.is_constant)
    batches = {t.shape[0] for t in (a, b) if not t.is_constant}
    alike = a.shape == b.shape or widest <= MAX_RANK
    if len(batches) > 1 or shape[0] not in batches or len(shape) > widest or not alike:
        raise Unsupported(
            f"{node.op} that broadcasts {list(a.shape)} and {list(b.shape)}",
            where=f"node {node.name}",
            hint=f"up to rank {MAX_RANK}, and not along the batch",
        )


def operands(graph: Graph, node: Node, inputs: Sequence[Array]) -> tuple[Array, Array]:
    """Both inputs as int64 less their zero points, so shaped that numpy broadcasts them with a batch in front."""
    rank = len(graph.output(node).shape)
    out = []
    for i in (0, 1):
        tensor, values = graph.input(node, i), inputs[i].astype(np.int64) - graph.input(node, i).zero_point
        if not tensor.is_constant:
            values = values.reshape(values.shape[0], *(1,) * (rank - len(tensor.shape)), *values.shape[1:])
        out.append(values)
    return out[0], out[1]


def lower_operand(low: Lowering, node: Node, index: int, quant: QuantParams | None = None) -> str:
    """The name of an ONNX node's operand; real constants become int8 (`lower_real`)."""
    tensor, name = low.graph.input(node, index), f"{node.outputs[0]}/operand {index}"
    if tensor.data is None:
        return tensor.name
    if tensor.dtype == "float32":
        return lower_real(low, node, name, tensor.data, quant)
    return tensor.name if tensor.shape else low.constant(name, tensor.data.reshape(1), tensor.quant)


def lower_real(low: Lowering, node: Node, name: str, values: Array, quant: QuantParams | None = None) -> str:
    """Real numbers as an int8 constant: at `quant`, or with zero point 0 and the largest of them as 127 or -127."""
    if not np.isfinite(values).all() or not values.size:
        raise BadInput("a constant that holds what is no number", where=f"node {node.name}")
    quant = quant or QuantParams.per_tensor(float(np.abs(values).max()) / INT8_MAX or 1.0, 0)
    return low.constant(name, quant.quantise(values.reshape(values.shape or (1,)), "int8"), quant)


def case(
    op: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    scales: tuple[float, float, float] = (0.05, 0.08, 0.1),
    zero_points: tuple[int, int, int] = (0, 3, -7),
    constant: int | None = None,
    **attrs: Any,
) -> Graph:
    """A graph of one operator of two operands; `constant` says which of them, if any, is one."""
    names = ("a", "b", "y")
    all_shapes = (*shapes, tuple(int(d) for d in np.broadcast_shapes(*shapes)))
    tensors = {
        n: Tensor(n, shape, "int8", QuantParams.per_tensor(s, z), seeded(*shape, seed=i) if i == constant else None)
        for i, (n, shape, s, z) in enumerate(zip(names, all_shapes, scales, zero_points, strict=True))
    }
    inputs = tuple(n for i, n in enumerate(names[:2]) if i != constant)
    return Graph(op.lower(), tensors, (Node(op, op.lower(), names[:2], ("y",), attrs),), inputs, ("y",))


def broadcasting_cases(
    op: str,
    scales: tuple[float, float, float] = (0.05, 0.08, 0.1),
    zero_points: tuple[int, int, int] = (0, 3, -7),
    **attrs: Any,
) -> Iterable[Graph]:
    """Equal shapes, channels, pixels, rows and scalars on either side, in activations and in constants."""
    feature = (1, 3, 4, 5)
    for size in (1, 3, 8, 17):
        yield case(op, ((1, 3, size, 2), (1, 3, size, 2)), scales, zero_points, **attrs)
    for other in ((1, 1, 1, 5), (1, 3, 4, 1), (1, 3, 1, 5), (1, 1, 4, 1), (1, 1, 1, 1), (1, 5), (1, 4, 5)):
        yield case(op, (feature, other), scales, zero_points, **attrs)
        yield case(op, (other, feature), scales, zero_points, **attrs)
    yield case(op, ((1, 3, 1, 5), (1, 1, 4, 1)), scales, zero_points, **attrs)
    constants: tuple[tuple[int, ...], ...] = (feature, (1, 1, 1, 5), (5,), (1,), (4, 1), (3, 1, 5))
    for constant in constants:
        yield case(op, (feature, constant), scales, zero_points, constant=1, **attrs)
        yield case(op, (constant, feature), scales, zero_points, constant=0, **attrs)
    yield case(op, ((1, 7), (1, 7)), scales, zero_points, constant=1, **attrs)
