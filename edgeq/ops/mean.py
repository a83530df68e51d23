"""MEAN and SUM over any axes but the batch, rescaled to the output's own range."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Turning, channels_last
from edgeq.ops.numerics import quantize_multiplier, requantise
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, constant_ints, pack_i32, require_int8

PLAN_RANK = 4  # of a tensor in the plan, where those of lower rank have ones in front


def _axes(graph: Graph, node: Node) -> tuple[int, ...]:
    """The reduced axes from zero up, each once."""
    rank = len(graph.input(node, 0).shape)
    axes = constant_ints(graph, node, 1)
    if any(not -rank <= a < rank for a in axes):
        raise Unsupported(f"{node.op} over axes {axes} of rank {rank}", where=f"node {node.name}")
    return tuple(sorted({a % rank for a in axes}))


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """Ones where axes were, or nothing without keep_dims."""
    shape, axes = graph.input(node, 0).shape, _axes(graph, node)
    if node.attrs["keep_dims"]:
        return tuple(1 if i in axes else d for i, d in enumerate(shape))
    return tuple(d for i, d in enumerate(shape) if i not in axes)


def check(graph: Graph, node: Node) -> None:
    """int8, up to rank 4, some axes, the batch not among them."""
    x = graph.input(node, 0)
    require_int8(graph, node, x, graph.output(node))
    axes = _axes(graph, node)
    if not axes or 0 in axes or len(x.shape) > PLAN_RANK:
        raise Unsupported(
            f"{node.op} over axes {list(axes)} of {list(x.shape)}; axes behind the batch of up to rank 4 are supported",
            where=f"node {node.name}",
        )


def _rescaling(graph: Graph, node: Node) -> tuple[int, int, int]:
    """(count, multiplier, shift): a mean's division by the count is part of the factor (numerics.md#mean)."""
    x, y = graph.input(node, 0), graph.output(node)
    count = math.prod(x.shape[a] for a in _axes(graph, node))
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    if node.op == "SUM":
        return count, multiplier, shift
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return count, (multiplier << extra) // count, shift - extra


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#mean."""
    x, y = graph.input(node, 0), graph.output(node)
    count, multiplier, shift = _rescaling(graph, node)
    total = inputs[0].astype(np.int64).sum(axis=_axes(graph, node), keepdims=bool(node.attrs["keep_dims"]))
    return requantise(total - x.zero_point * count, multiplier, shift, y.zero_point)


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#mean_s8."""
    x, y = graph.input(node, 0), graph.output(node)
    _, multiplier, shift = _rescaling(graph, node)
    reduced = {a + PLAN_RANK - len(x.shape) for a in _axes(graph, node)}
    flags = [int(axis in reduced) for axis in range(1, PLAN_RANK)]
    return Step("mean_s8", pack_i32(*flags, x.zero_point, y.zero_point, multiplier, shift))


def turn(turning: Turning, node: Node) -> None:
    """The stored axes; without the reduced ones the others stay in their order."""
    if node.op == "GlobalAveragePool":
        channels_last(turning, node)
        return
    x = turning.graph.input(node, 0)
    axes = node.attrs.get("axes")
    if axes is None and turning.graph.optional_input(node, 1) is not None:
        axes = turning.graph.constant(node, 1).tolist()
    gone = sorted(int(a) % len(x.shape) for a in axes) if axes else list(range(1, len(x.shape)))
    if not axes and int(node.attrs.get("noop_with_empty_axes", 0)):
        raise Unsupported(f"{node.op} over no axis", where=f"node {node.name}")
    layout = turning.layout(x.name)
    stored = [layout.index(axis) for axis in gone]
    if not int(node.attrs.get("keepdims", 1)):
        kept = [axis for axis in range(len(x.shape)) if axis not in gone]
        layout = tuple(kept.index(axis) for axis in layout if axis in kept)
    turning.emit(node, [turning.read(x.name)], [turning.write(node.outputs[0], layout)], axes=stored)


def from_onnx(low: Lowering, node: Node) -> None:
    """ReduceMean, ReduceSum, GlobalAveragePool; the axes were mapped to NHWC with the layout."""
    keep = node.op == "GlobalAveragePool" or bool(node.attrs.get("keepdims", 1))
    axes = [1, 2] if node.op == "GlobalAveragePool" else node.attrs["axes"]
    axes_name = low.constant(f"{node.outputs[0]}/axes", np.array(sorted(axes), np.int32))
    op = "SUM" if node.op == "ReduceSum" else "MEAN"
    low.emit(op, node.name, [node.inputs[0], axes_name], node.outputs, keep_dims=keep)


def case(
    op: str,
    shape: tuple[int, ...],
    axes: tuple[int, ...] = (1, 2),
    scales: tuple[float, float] = (0.05, 0.03),
    keep: bool = True,
    zero_points: tuple[int, int] = (-31, 12),
) -> Graph:
    """A graph of one MEAN or SUM."""
    reduced = {a % len(shape) for a in axes}
    kept = tuple(1 if i in reduced else d for i, d in enumerate(shape) if keep or i not in reduced)
    tensors = [
        Tensor("x", shape, "int8", QuantParams.per_tensor(scales[0], zero_points[0])),
        Tensor("axes", (len(axes),), "int32", None, np.array(axes, np.int32)),
        Tensor("y", kept, "int8", QuantParams.per_tensor(scales[1], zero_points[1])),
    ]
    node = Node(op, op.lower(), ("x", "axes"), ("y",), {"keep_dims": keep})
    return Graph(op.lower(), {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def _cases(op: str) -> Iterable[Graph]:
    """Counts that are and are not powers of two, finer and coarser outputs, any axes, both shapes of the result."""
    for c in (1, 3, 8, 17):
        yield case(op, (1, 7, 7, c))
    yield case(op, (1, 8, 4, 5), scales=(0.05, 0.05), keep=False)
    yield case(op, (1, 1, 1, 5), scales=(0.02, 0.9))
    yield case(op, (1, 5, 3, 16), scales=(0.3, 0.0007), keep=False)
    for axes in ((1,), (2,), (3,), (1, 3), (2, 3), (1, 2, 3), (-1,), (2, -2)):
        for keep in (True, False):
            yield case(op, (1, 3, 4, 5), axes, keep=keep)
    yield case(op, (1, 6, 5), (1,), keep=False)
    yield case(op, (1, 6, 5), (2,))
    yield case(op, (1, 33), (1,))


_FIELDS = {"keep_dims": "keepDims"}

MEAN = Operator(
    name="MEAN", code=40, options="ReducerOptions", fields=_FIELDS, version=2,
    output_shape=output_shape, check=check, reference=reference, cases=lambda: _cases("MEAN"),
    onnx=("ReduceMean", "GlobalAveragePool"), from_onnx=from_onnx, turn=turn, step=step,
)  # fmt: skip
SUM = Operator(
    name="SUM", code=74, options="ReducerOptions", fields=_FIELDS, version=2,
    output_shape=output_shape, check=check, reference=reference, cases=lambda: _cases("SUM"),
    onnx=("ReduceSum",), from_onnx=from_onnx, turn=turn, step=step,
)  # fmt: skip
