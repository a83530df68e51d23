"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: another height and width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import CHANNELS_LAST, Turning
from edgeq.ops.numerics import Ints
from edgeq.ops.operator import (
    Array,
    Locate,
    Lowering,
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


def turn(turning: Turning, node: Node) -> None:
    """Channels last, with the scales of height and width: as given, or as the sizes say."""
    x, y = turning.graph.input(node, 0), turning.graph.output(node)
    if len(x.shape) != 4 or x.shape[:2] != y.shape[:2]:
        raise Unsupported(f"Resize of {list(x.shape)} to {list(y.shape)}", where=f"node {node.name}")
    scales = [y.shape[axis] / x.shape[axis] for axis in (2, 3)]
    if turning.graph.optional_input(node, 2) is not None and turning.graph.input(node, 2).elements:
        given = turning.graph.constant(node, 2).tolist()
        axes = [int(axis) % 4 for axis in node.attrs.get("axes", range(4))]
        scales = [dict(zip(axes, given, strict=True)).get(axis, 1.0) for axis in (2, 3)]
    turning.emit(node, [turning.read(x.name, CHANNELS_LAST)], [turning.write(y.name)], scales=scales)


_RULES = ((False, False), (True, False), (False, True))  # (aligned corners, half pixel centres)
_LINEAR = {
    "asymmetric": _RULES[0],
    "align_corners": _RULES[1],
    "half_pixel": _RULES[2],
    "pytorch_half_pixel": _RULES[2],
}


def from_onnx(low: Lowering, node: Node) -> None:
    """Resize, nearest and linear, where TFLite has a rule that takes the same pixels."""
    x, y, mode = low.graph.input(node, 0), low.graph.output(node), node.attrs.get("mode", "nearest")
    sides = list(zip(x.shape[1:3], y.shape[1:3], node.attrs["scales"], strict=True))
    rule = _nearest_rule(node, sides) if mode == "nearest" else _linear_rule(node, sides) if mode == "linear" else None
    places = node.attrs.get("coordinate_transformation_mode", "half_pixel")
    if rule is None or int(node.attrs.get("antialias", 0)):
        raise Unsupported(
            f"Resize by {mode}, {places}, from {list(x.shape[1:3])} to {list(y.shape[1:3])}: TFLite has no such rule",
            where=f"node {node.name}",
        )
    op = "RESIZE_NEAREST_NEIGHBOR" if mode == "nearest" else "RESIZE_BILINEAR"
    size = low.constant(f"{y.name}/size", np.array(y.shape[1:3], np.int32))
    low.emit(op, node.name, [x.name, size], node.outputs, align_corners=rule[0], half_pixel_centers=rule[1])


_Side = tuple[int, int, float]  # size before, size after, scale
_ROUND: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "round_prefer_floor": lambda at: np.ceil(at - 0.5), "round_prefer_ceil": lambda at: np.floor(at + 0.5),
    "floor": np.floor, "ceil": np.ceil,
}  # fmt: skip


def _nearest_rule(node: Node, sides: Sequence[_Side]) -> tuple[bool, bool] | None:
    """The rule that takes the very pixels that ONNX takes, at these sizes."""
    rounded = _ROUND.get(node.attrs.get("nearest_mode", "round_prefer_floor"))
    wanted = []
    for before, after, scale in sides:
        at = _places(node.attrs.get("coordinate_transformation_mode", "half_pixel"), before, after, scale)
        if at is None or rounded is None:
            return None
        wanted.append(np.clip(rounded(at), 0, before - 1))
    for corners, centers in _RULES:
        rule = Node(node.op, node.name, (), (), {"align_corners": corners, "half_pixel_centers": centers})
        if all(np.array_equal(w, _nearest(rule, b, a)) for w, (b, a, _) in zip(wanted, sides, strict=True)):
            return corners, centers
    return None


def _places(mode: str, before: int, after: int, scale: float) -> NDArray[np.float64] | None:
    """Where ONNX looks for each place of the output."""
    i = np.arange(after, dtype=np.float64)
    if mode == "asymmetric":
        return i / scale
    if mode == "align_corners":
        return i * (before - 1) / max(after - 1, 1)
    if mode == "pytorch_half_pixel" and after == 1:
        return i * 0
    return (i + 0.5) / scale - 0.5 if mode in ("half_pixel", "pytorch_half_pixel") else None


def _linear_rule(node: Node, sides: Sequence[_Side]) -> tuple[bool, bool] | None:
    mode = node.attrs.get("coordinate_transformation_mode", "half_pixel")
    for before, after, scale in sides:
        if mode != "align_corners" and abs(before * scale - after) > 1e-3:  # ONNX goes by a scale, TFLite by the sizes
            return None
        if mode == "pytorch_half_pixel" and after == 1 and before > 1:
            return None
    return _LINEAR.get(mode)


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
    version=3, output_shape=output_shape, check=check, cases=nearest_cases, onnx=("Resize",),
    from_onnx=from_onnx, turn=turn,
)  # fmt: skip
BILINEAR = Operator(
    name="RESIZE_BILINEAR", code=23, options="ResizeBilinearOptions", fields=_FIELDS, version=3,
    output_shape=output_shape, check=check, reference=bilinear_reference, cases=bilinear_cases, step=bilinear_step,
)  # fmt: skip
