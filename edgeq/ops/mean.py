"""MEAN over height and width, rescaled to the output's own range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.numerics import quantize_multiplier, requantise
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, constant_ints, pack_i32, require_int8

AXES = (1, 2)  # of NHWC


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[N, 1, 1, C], or [N, C] without keep_dims."""
    n, _, _, c = graph.input(node, 0).shape
    return (n, 1, 1, c) if node.attrs["keep_dims"] else (n, c)


def check(graph: Graph, node: Node) -> None:
    """int8, rank 4, over height and width."""
    x = graph.input(node, 0)
    require_int8(graph, node, x, graph.output(node))
    axes = sorted(a + len(x.shape) if a < 0 else a for a in constant_ints(graph, node, 1))
    if len(x.shape) != 4 or tuple(axes) != AXES:
        raise Unsupported(
            f"MEAN over axes {axes} of a rank {len(x.shape)} tensor; height and width of NHWC are supported",
            where=f"node {node.name}",
        )


def _rescaling(graph: Graph, node: Node) -> tuple[int, int, int]:
    """(count, multiplier, shift): the division by the count is part of the factor (numerics.md#mean)."""
    x, y = graph.input(node, 0), graph.output(node)
    count = x.shape[1] * x.shape[2]
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return count, (multiplier << extra) // count, shift - extra


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#mean."""
    x, y = graph.input(node, 0), graph.output(node)
    count, multiplier, shift = _rescaling(graph, node)
    total = inputs[0].astype(np.int64).sum(axis=AXES, keepdims=bool(node.attrs["keep_dims"]))
    return requantise(total - x.zero_point * count, multiplier, shift, y.zero_point)


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#mean_s8."""
    x, y = graph.input(node, 0), graph.output(node)
    _, multiplier, shift = _rescaling(graph, node)
    return Step("mean_s8", pack_i32(x.zero_point, y.zero_point, multiplier, shift))


def from_onnx(low: Lowering, node: Node) -> None:
    """ReduceMean over height and width, or GlobalAveragePool."""
    if node.op == "GlobalAveragePool":
        keep = True
    else:
        # Axes were mapped to NHWC with the layout; an absent list means all.
        axes = node.attrs.get("axes")
        if axes is None and len(node.inputs) > 1:
            axes = low.graph.constant(node, 1).tolist()
        if axes is None or tuple(sorted(axes)) != AXES:
            raise Unsupported(f"ReduceMean over (NHWC) axes {axes}", where=f"node {node.name}")
        keep = bool(node.attrs.get("keepdims", 1))
    axes_name = low.constant(f"{node.outputs[0]}/axes", np.array(AXES, np.int32))
    low.emit("MEAN", node.name, [node.inputs[0], axes_name], node.outputs, keep_dims=keep)


def _case(shape: tuple[int, int, int, int], scales: tuple[float, float], keep: bool) -> Graph:
    tensors = [
        Tensor("x", shape, "int8", QuantParams.per_tensor(scales[0], -31)),
        Tensor("axes", (2,), "int32", None, np.array(AXES, np.int32)),
        Tensor("y", (1, 1, 1, shape[3]) if keep else (1, shape[3]), "int8", QuantParams.per_tensor(scales[1], 12)),
    ]
    node = Node("MEAN", "mean", ("x", "axes"), ("y",), {"keep_dims": keep})
    return Graph("mean", {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """Counts that are and are not powers of two, finer and coarser outputs, both shapes of the result."""
    for c in (1, 3, 8, 17):
        yield _case((1, 7, 7, c), (0.05, 0.03), True)
    yield _case((1, 8, 4, 5), (0.05, 0.05), False)
    yield _case((1, 1, 1, 5), (0.02, 0.9), True)
    yield _case((1, 5, 3, 16), (0.3, 0.0007), False)


OPERATOR = Operator(
    name="MEAN", code=40, options="ReducerOptions", fields={"keep_dims": "keepDims"}, version=2,
    output_shape=output_shape, check=check, reference=reference, cases=cases,
    onnx=("ReduceMean", "GlobalAveragePool"), from_onnx=from_onnx, step=step,
)  # fmt: skip
