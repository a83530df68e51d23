"""SLICE and STRIDED_SLICE: a block of a tensor, and a block of which every n-th element is kept."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import Turning
from edgeq.ops.movement import Move, mover
from edgeq.ops.operator import Lowering, constant_ints, require_int8, require_same_quantisation

STRIDED_RANK = 4  # what TFLite Micro takes

Range = tuple[int, int, int]  # start, stop, step; the stop of a negative step may be -1, in front of the first


def _block(graph: Graph, node: Node) -> list[Range]:
    """SLICE's range along each axis."""
    shape = graph.input(node, 0).shape
    begin, size = constant_ints(graph, node, 1), constant_ints(graph, node, 2)
    if len(begin) != len(shape) or len(size) != len(shape):
        raise Unsupported(f"SLICE of {list(shape)} from {begin} by {size}", where=f"node {node.name}")
    ranges = [(b, n if s == -1 else b + s, 1) for b, s, n in zip(begin, size, shape, strict=True)]
    if any(not 0 <= start < stop <= n for (start, stop, _), n in zip(ranges, shape, strict=True)):
        raise Unsupported(f"SLICE of {list(shape)} from {begin} by {size}", where=f"node {node.name}")
    return ranges


def _strided(graph: Graph, node: Node) -> list[Range]:
    """STRIDED_SLICE's range along each axis: negative indices count from the end, and all are cut to the size."""
    shape = graph.input(node, 0).shape
    begin, end, strides = (constant_ints(graph, node, i) for i in (1, 2, 3))
    if not len(begin) == len(end) == len(strides) == len(shape) <= STRIDED_RANK or 0 in strides:
        raise Unsupported(f"STRIDED_SLICE of {list(shape)} by {begin}, {end}, {strides}", where=f"node {node.name}")
    if node.attrs["ellipsis_mask"] or node.attrs["new_axis_mask"] or node.attrs["offset"]:
        raise Unsupported(
            "STRIDED_SLICE with an ellipsis, a new axis or relative ends, which TFLite Micro ignores",
            where=f"node {node.name}",
        )
    ranges = []
    for axis, (n, first, last, stride) in enumerate(zip(shape, begin, end, strides, strict=True)):
        lowest, highest = (0, n) if stride > 0 else (-1, n - 1)
        start = min(max(first + n if first < 0 else first, lowest), highest)
        stop = min(max(last + n if last < 0 else last, lowest), highest)
        if node.attrs["begin_mask"] >> axis & 1:
            start = lowest if stride > 0 else highest
        if node.attrs["end_mask"] >> axis & 1:
            stop = highest if stride > 0 else lowest
        if _is_shrunk(node, axis):
            if stride < 0:
                raise Unsupported(
                    f"STRIDED_SLICE backwards along axis {axis}, which it drops: TFLite Micro writes nothing",
                    where=f"node {node.name}",
                )
            stop, stride = start + 1, 1
        if not len(range(start, stop, stride)) or not 0 <= start < n:
            raise Unsupported(f"STRIDED_SLICE leaves nothing of axis {axis}", where=f"node {node.name}")
        ranges.append((start, stop, stride))
    return ranges


def _is_shrunk(node: Node, axis: int) -> bool:
    return bool(node.attrs.get("shrink_axis_mask", 0) >> axis & 1)


def _ranges(graph: Graph, node: Node) -> list[Range]:
    return _block(graph, node) if node.op == "SLICE" else _strided(graph, node)


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """How many elements of each axis are kept; a shrunk axis is gone."""
    return tuple(len(range(*r)) for axis, r in enumerate(_ranges(graph, node)) if not _is_shrunk(node, axis))


def check(graph: Graph, node: Node) -> None:
    """int8, one quantisation, the whole batch."""
    x, y = graph.input(node, 0), graph.output(node)
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y)
    if _ranges(graph, node)[0] != (0, x.shape[0], 1) or _is_shrunk(node, 0):
        raise Unsupported(f"{node.op} of the batch", where=f"node {node.name}")


def moves(graph: Graph, node: Node) -> list[Move]:
    """The block to the output."""
    index = tuple(
        start if _is_shrunk(node, axis) else slice(start, None if stop < 0 else stop, stride)
        for axis, (start, stop, stride) in enumerate(_ranges(graph, node)[1:], start=1)
    )
    return [Move(node.inputs[0], node.outputs[0], lambda whole: whole[(slice(None), *index)])]


def turn(turning: Turning, node: Node) -> None:
    """A start, an end and a step for every stored axis."""
    x, given = turning.graph.input(node, 0), turning.graph.optional_input
    starts, ends = (constant_ints(turning.graph, node, i) for i in (1, 2))
    rank = len(x.shape)
    axes = constant_ints(turning.graph, node, 3) if given(node, 3) else list(range(len(starts)))
    steps = constant_ints(turning.graph, node, 4) if given(node, 4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Unsupported("Slice with tables of several lengths", where=f"node {node.name}")
    cut = {axis % rank: slice(*part) for axis, *part in zip(axes, starts, ends, steps, strict=True)}
    layout = turning.layout(x.name)
    ranges = [cut.get(axis, slice(None)).indices(x.shape[axis]) for axis in layout]
    turning.emit(node, [turning.read(x.name)], [turning.write(node.outputs[0], layout)], ranges=ranges)


def from_onnx(low: Lowering, node: Node) -> None:
    """Slice: a SLICE, or with steps a STRIDED_SLICE."""
    source, y, ranges = node.inputs[0], low.graph.output(node), node.attrs["ranges"]
    begin = low.constant(f"{y.name}/begin", np.array([start for start, _, _ in ranges], np.int32))
    if all(step == 1 for _, _, step in ranges):
        size = low.constant(f"{y.name}/size", np.array(y.shape, np.int32))
        low.emit("SLICE", node.name, [source, begin, size], node.outputs)
        return
    # A range backwards to the first element ends in front of it, which TFLite says by a mask.
    mask = sum(1 << axis for axis, (_, stop, _) in enumerate(ranges) if stop < 0)
    end = low.constant(f"{y.name}/end", np.array([max(stop, 0) for _, stop, _ in ranges], np.int32))
    steps = low.constant(f"{y.name}/steps", np.array([step for _, _, step in ranges], np.int32))
    low.emit(
        "STRIDED_SLICE", node.name, [source, begin, end, steps], node.outputs, begin_mask=0, end_mask=mask,
        ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0, offset=False,
    )  # fmt: skip


def _graph(op: str, x: tuple[int, ...], y: tuple[int, ...], tables: list[list[int]], **masks: int) -> Graph:
    quant = QuantParams.per_tensor(0.1, 3)
    constants = [Tensor(f"t{i}", (len(t),), "int32", None, np.array(t, np.int32)) for i, t in enumerate(tables)]
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    attrs = {} if op == "SLICE" else {name: masks.get(name, 0) for name in names} | {"offset": False}
    inputs = ("x", *(t.name for t in constants))
    tensors = (Tensor("x", x, "int8", quant), *constants, Tensor("y", y, "int8", quant))
    node = Node(op, "slice", inputs, ("y",), attrs)
    return Graph(op.lower(), {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def slice_cases() -> Iterable[Graph]:
    """A block in the middle, the rest of an axis, ranks."""
    yield _graph("SLICE", (1, 5, 6, 4), (1, 2, 3, 2), [[0, 1, 2, 1], [1, 2, 3, 2]])
    yield _graph("SLICE", (1, 5, 6, 4), (1, 5, 4, 4), [[0, 0, 2, 0], [-1, -1, -1, -1]])
    yield _graph("SLICE", (1, 9), (1, 3), [[0, 4], [1, 3]])
    yield _graph("SLICE", (1, 2, 3, 4, 5), (1, 2, 2, 4, 3), [[0, 0, 1, 0, 2], [1, 2, 2, 4, 3]])


def strided_cases() -> Iterable[Graph]:
    """Strides, backwards, from the end, masks, an axis that vanishes."""
    op = "STRIDED_SLICE"
    yield _graph(op, (1, 6, 7, 3), (1, 3, 3, 3), [[0, 0, 1, 0], [1, 6, 7, 3], [1, 2, 2, 1]])
    yield _graph(op, (1, 6, 7, 3), (1, 6, 7, 3), [[0, 0, 6, 0], [0, 0, -8, 0], [1, 1, -1, 1]], end_mask=11)
    yield _graph(op, (1, 6, 7, 3), (1, 3, 4, 2), [[0, -4, 9, 0], [1, -1, 2, 9], [1, 1, -1, 2]])
    yield _graph(op, (1, 6, 7, 3), (1, 7, 2), [[0, 2, 0, 1], [1, 3, 7, 3], [1, 1, 1, 1]], shrink_axis_mask=2)
    yield _graph(op, (1, 8), (1, 3), [[5, 5], [0, 0], [1, -2]], begin_mask=1, end_mask=3)


SLICE = mover(
    moves, name="SLICE", code=65, options="SliceOptions", fields={}, version=2,
    output_shape=output_shape, check=check, cases=slice_cases, onnx=("Slice",), from_onnx=from_onnx, turn=turn,
)  # fmt: skip
STRIDED_SLICE = mover(
    moves, name="STRIDED_SLICE", code=45, options="StridedSliceOptions",
    fields={
        "begin_mask": "beginMask", "end_mask": "endMask", "ellipsis_mask": "ellipsisMask",
        "new_axis_mask": "newAxisMask", "shrink_axis_mask": "shrinkAxisMask", "offset": "offset",
    },
    version=2, output_shape=output_shape, check=check, cases=strided_cases,
)  # fmt: skip
