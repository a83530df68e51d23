"""BATCH_MATMUL: matrix products over the last two axes; either operand may be transposed, one may be a constant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.numerics import exact_matmul, quantize_multiplier, requantise
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32, require_int8, seeded

MAX_RANK = 4


def _matrices(graph: Graph, node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Both operands' shapes as they are multiplied: [..., rows, inner] and [..., inner, columns]."""
    a, b = graph.input(node, 0).shape, graph.input(node, 1).shape
    if min(len(a), len(b)) < 2:
        raise BadInput(f"BATCH_MATMUL of {list(a)} and {list(b)}", where=f"node {node.name}")
    return _turned(a, node.attrs["adj_x"]), _turned(b, node.attrs["adj_y"])


def _turned(shape: tuple[int, ...], adjoint: bool) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if adjoint else shape


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[..., rows, columns], what is in front broadcast."""
    a, b = _matrices(graph, node)
    try:
        return (*(int(d) for d in np.broadcast_shapes(a[:-2], b[:-2])), a[-2], b[-1])
    except ValueError:
        raise BadInput(f"BATCH_MATMUL of {list(a)} and {list(b)}", where=f"node {node.name}") from None


def check(graph: Graph, node: Node) -> None:
    """int8, rank 3 or 4 with the batch in front (a constant from rank 2), matrices that fit, at most one constant."""
    operands = graph.input(node, 0), graph.input(node, 1)
    require_int8(graph, node, *operands, graph.output(node))
    a, b = _matrices(graph, node)
    shape = output_shape(graph, node)
    given = [t for t in operands if not t.is_constant]
    if a[-1] != b[-2]:
        raise BadInput(f"BATCH_MATMUL of {list(a)} and {list(b)}, which do not fit", where=f"node {node.name}")
    ranks = [len(t.shape) for t in given]
    if not given or min(ranks) < 3 or max(ranks) > MAX_RANK or len(shape) > max(ranks) or shape[0] != given[0].shape[0]:
        raise Unsupported(
            f"BATCH_MATMUL of {list(a)} and {list(b)}; activations of rank 3 and 4 with a batch in front are supported",
            where=f"node {node.name}",
        )


def _rescaling(graph: Graph, node: Node) -> tuple[int, int]:
    """(multiplier, shift) of an accumulator (numerics.md#batch-matmul)."""
    return quantize_multiplier(graph.input(node, 0).scale * graph.input(node, 1).scale / graph.output(node).scale)


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#batch-matmul."""
    rank = len(graph.output(node).shape)
    matrices = []
    for i, adjoint in enumerate((node.attrs["adj_x"], node.attrs["adj_y"])):
        tensor, values = graph.input(node, i), inputs[i].astype(np.int64) - graph.input(node, i).zero_point
        if not tensor.is_constant:
            values = values.reshape(values.shape[0], *(1,) * (rank - len(tensor.shape)), *values.shape[1:])
        matrices.append(values.swapaxes(-1, -2) if adjoint else values)
    return requantise(exact_matmul(*matrices), *_rescaling(graph, node), graph.output(node).zero_point)


def macs(graph: Graph, node: Node) -> int:
    """One per output and element of a row."""
    return graph.output(node).elements * _matrices(graph, node)[0][-1]


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#batch_matmul_s8."""
    a, b, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    adjoints = int(node.attrs["adj_x"]), int(node.attrs["adj_y"])
    params = pack_i32(*adjoints, a.zero_point, b.zero_point, y.zero_point, *_rescaling(graph, node))
    return Step("batch_matmul_s8", params, inputs=node.inputs)


def from_onnx(low: Lowering, node: Node) -> None:
    """MatMul of two activations, or of one and a constant in front or of higher rank."""
    low.emit("BATCH_MATMUL", node.name, node.inputs, node.outputs, adj_x=False, adj_y=False)


def case(
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    adjoints: tuple[bool, bool] = (False, False),
    *,
    scales: tuple[float, float, float] = (0.02, 0.03, 0.4),
    zero_points: tuple[int, int, int] = (3, -11, 5),
    constant: int | None = None,
) -> Graph:
    """A graph of one product; `shapes` are those before a transposition, `constant` says which operand is one."""
    a, b = shapes
    front = tuple(int(d) for d in np.broadcast_shapes(a[:-2], b[:-2]))
    all_shapes = (_turned(a, adjoints[0]), _turned(b, adjoints[1]), (*front, a[-2], b[-1]))
    names = ("a", "b", "y")
    tensors = {
        n: Tensor(n, shape, "int8", QuantParams.per_tensor(s, z), seeded(*shape, seed=i) if i == constant else None)
        for i, (n, shape, s, z) in enumerate(zip(names, all_shapes, scales, zero_points, strict=True))
    }
    node = Node("BATCH_MATMUL", "matmul", ("a", "b"), ("y",), {"adj_x": adjoints[0], "adj_y": adjoints[1]})
    inputs = tuple(n for i, n in enumerate(names[:2]) if i != constant)
    return Graph("batch_matmul", tensors, (node,), inputs, ("y",))


def cases() -> Iterable[Graph]:
    """Transposed operands, several matrices, one for all, constants, extremes of the zero points."""
    for adjoints in ((False, False), (True, False), (False, True), (True, True)):
        yield case(((1, 5, 7), (1, 7, 4)), adjoints)
        yield case(((1, 3, 5, 8), (1, 3, 8, 2)), adjoints)
        yield case(((1, 3, 5, 8), (1, 1, 8, 2)), adjoints)
        yield case(((1, 1, 5, 8), (1, 3, 8, 2)), adjoints, zero_points=(-128, 127, -128))
        yield case(((1, 5, 16), (16, 3)), adjoints, constant=1)
        yield case(((1, 2, 5, 6), (2, 6, 3)), adjoints, constant=1)
        yield case(((1, 5, 6), (1, 6, 3)), adjoints, constant=0)
    yield case(((1, 1, 17), (1, 17, 1)), scales=(0.5, 0.7, 0.001))


OPERATOR = Operator(
    name="BATCH_MATMUL", code=126, options="BatchMatMulOptions", fields={"adj_x": "adjX", "adj_y": "adjY"}, version=2,
    output_shape=output_shape, check=check, reference=reference, cases=cases, macs=macs,
    onnx=("MatMul",), from_onnx=from_onnx, step=step,
)  # fmt: skip
