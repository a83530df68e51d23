"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: another height and width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.numerics import Ints
from edgeq.ops.operator import (
    Array,
    Locate,
    Operator,
    Step,
    constant_ints,
    pack_i32,
    require_int8,
    require_same_quantisation,
)
from edgeq.ops.take import taker

BITS = 10  # of a fraction between two pixels
LARGEST = 1 << 15  # of a side, so that TFLite's int32 does not overflow


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[N, height, width, C] with the height and width of input 1."""
    n, *_, c = graph.input(node, 0).shape
    return n, *constant_ints(graph, node, 1), c


def check(graph: Graph, node: Node) -> None:
    """int8, rank 4, one quantisation, one rule of where the pixels lie."""
    x, y, size = graph.input(node, 0), graph.output(node), constant_ints(graph, node, 1)
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y)
    if len(x.shape) != 4 or len(size) != 2 or not 1 <= min(size) <= max(*size, *x.shape[1:3]) <= LARGEST:
        raise Unsupported(f"{node.op} of {list(x.shape)} to {size}", where=f"node {node.name}")
    if node.attrs["align_corners"] and node.attrs["half_pixel_centers"]:
        raise Unsupported(f"{node.op} with aligned corners and half pixels", where=f"node {node.name}")


def _sides(graph: Graph, node: Node) -> list[tuple[int, int]]:
    """(size before, size after) of height and width."""
    return list(zip(graph.input(node, 0).shape[1:3], constant_ints(graph, node, 1), strict=True))


def nearest_tables(graph: Graph, node: Node) -> dict[int, NDArray[np.int64]]:
    """numerics.md#resize."""
    return {axis: _nearest(node, *sizes) for axis, sizes in enumerate(_sides(graph, node), start=1)}


def _nearest(node: Node, before: int, after: int) -> NDArray[np.int64]:
    corners, centers = node.attrs["align_corners"], node.attrs["half_pixel_centers"]
    aligned = corners and after > 1
    scale = np.float32(before - 1) / np.float32(after - 1) if aligned else np.float32(before) / np.float32(after)
    at = (np.arange(after, dtype=np.float32) + np.float32(0.5 if centers else 0)) * scale
    pixels = np.floor(at + np.float32(0.5)) if corners else np.floor(at)
    return np.asarray(np.clip(pixels, 0, before - 1), np.int64)


def neighbours(node: Node, before: int, after: int) -> Ints:
    """[after, 3]: for each place of the output the pixel in front, the one behind, and how far it is between them.

    The distance is in 2**-BITS pixels from the one in front (numerics.md#resize).
    """
    one = 1 << BITS
    aligned = node.attrs["align_corners"] and after > 1
    scale = (one * (before - 1) + (after - 1) // 2) // (after - 1) if aligned else (one * before + after // 2) // after
    at = np.arange(after, dtype=np.int64) * scale
    if node.attrs["half_pixel_centers"]:
        at += scale // 2 - one // 2
    front = np.maximum(at, 0) // one
    behind = np.minimum((at + one - 1) // one, before - 1)  # at least half a pixel in front of the first
    if front.max() >= before:
        raise Unsupported(
            f"{node.op} from {before} to {after}: TFLite's rounded scale leaves the input", where=f"node {node.name}"
        )
    return np.stack([front, behind, at - front * one], axis=1)


def bilinear_reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#resize."""
    (up, down, row), (left, right, column) = (neighbours(node, *sizes).T for sizes in _sides(graph, node))
    x, one = inputs[0].astype(np.int64), 1 << BITS
    row, column = row[:, None, None], column[:, None]
    upper = x[:, up][:, :, left] * (one - column) + x[:, up][:, :, right] * column
    lower = x[:, down][:, :, left] * (one - column) + x[:, down][:, :, right] * column
    total = upper * (one - row) + lower * row
    half = 1 << (2 * BITS - 1)
    nudged = np.where(total > 0, total + half, total - half)
    return np.asarray((np.sign(nudged) * (np.abs(nudged) >> 2 * BITS)).astype(np.int8))


def bilinear_step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#resize_bilinear_s8."""
    return Step("resize_bilinear_s8", b"".join(pack_i32(*neighbours(node, *s).ravel()) for s in _sides(graph, node)))


def _case(op: str, before: tuple[int, int], after: tuple[int, int], corners: bool, centers: bool) -> Graph:
    quant = QuantParams.per_tensor(0.1, -4)
    tensors = [
        Tensor("x", (1, *before, 3), "int8", quant),
        Tensor("size", (2,), "int32", None, np.array(after, np.int32)),
        Tensor("y", (1, *after, 3), "int8", quant),
    ]
    attrs = {"align_corners": corners, "half_pixel_centers": centers}
    return Graph(
        op.lower(), {t.name: t for t in tensors}, (Node(op, "resize", ("x", "size"), ("y",), attrs),), ("x",), ("y",)
    )


def _cases(op: str) -> Iterable[Graph]:
    for rule in ((False, False), (True, False), (False, True)):
        for before, after in (((3, 4), (6, 8)), ((5, 7), (3, 2)), ((4, 3), (9, 7)), ((1, 2), (1, 5)), ((8, 6), (1, 3))):
            yield _case(op, before, after, *rule)


def nearest_cases() -> Iterable[Graph]:
    """Larger and smaller, by whole and other factors, each rule."""
    return _cases("RESIZE_NEAREST_NEIGHBOR")


def bilinear_cases() -> Iterable[Graph]:
    """Larger and smaller, by whole and other factors, each rule."""
    return _cases("RESIZE_BILINEAR")


_FIELDS = {"align_corners": "alignCorners", "half_pixel_centers": "halfPixelCenters"}
NEAREST = taker(
    nearest_tables, name="RESIZE_NEAREST_NEIGHBOR", code=97, options="ResizeNearestNeighborOptions", fields=_FIELDS,
    version=3, output_shape=output_shape, check=check, cases=nearest_cases,
)  # fmt: skip
BILINEAR = Operator(
    name="RESIZE_BILINEAR", code=23, options="ResizeBilinearOptions", fields=_FIELDS, version=3,
    output_shape=output_shape, check=check, reference=bilinear_reference, cases=bilinear_cases, step=bilinear_step,
)  # fmt: skip
