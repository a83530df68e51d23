"""MAX_POOL_2D and AVERAGE_POOL_2D: input and output share scale and zero point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import channels_last
from edgeq.ops.numerics import INT8_MIN, activation_range, to_int8
from edgeq.ops.operator import (
    Array,
    Locate,
    Lowering,
    Operator,
    Step,
    pack_i32,
    require_int8,
    require_same_quantisation,
)
from edgeq.ops.pad import padded_input
from edgeq.ops.window import Window, onnx_pads, onnx_pair, window

_KERNELS = {"MAX_POOL_2D": "max_pool2d_s8", "AVERAGE_POOL_2D": "average_pool2d_s8"}


def _window(graph: Graph, node: Node) -> Window:
    return window(graph, node, (int(node.attrs["filter_h"]), int(node.attrs["filter_w"])))


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[N, out_h, out_w, C]."""
    x = graph.input(node, 0)
    return x.shape[0], *_window(graph, node).output_size(x.shape[1], x.shape[2]), x.shape[3]


def check(graph: Graph, node: Node) -> None:
    """int8, equal quantisation on both sides; no window lies wholly in the padding."""
    x, y = graph.input(node, 0), graph.output(node)
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y)
    win = _window(graph, node)
    if any(pad >= k for pad, k in zip((*win.before, *win.after), (*win.size, *win.size), strict=True)):
        raise Unsupported("a pooling window lies wholly in its padding", where=f"node {node.name}")


def _clamped(graph: Graph, node: Node, values: Array) -> Array:
    y = graph.output(node)
    return to_int8(values, *activation_range(node.attrs["activation"], y.scale, y.zero_point))


def max_reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#max-pool: padding never wins, since it counts as the lowest value."""
    patches = _window(graph, node).patches(inputs[0], fill=INT8_MIN)
    return _clamped(graph, node, patches.max(axis=(3, 4)))


def average_reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#average-pool: padding is not counted; half rounds away from zero."""
    win = _window(graph, node)
    total = win.patches(inputs[0].astype(np.int64), fill=0).sum(axis=(3, 4))
    count = win.patches(np.ones((1, *inputs[0].shape[1:3], 1), np.int64), fill=0).sum(axis=(3, 4))
    half = count // 2
    mean = np.where(total > 0, (total + half) // count, -((half - total) // count))
    return _clamped(graph, node, mean)


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#max_pool2d_s8."""
    y, win = graph.output(node), _window(graph, node)
    low, high = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    return Step(_KERNELS[node.op], pack_i32(*win.size, *win.stride, *win.before, low, high))


def max_from_onnx(low: Lowering, node: Node) -> None:
    """MaxPool; a padding that is not SAME becomes a PAD with the lowest value."""
    if onnx_pair(node, "dilations") != (1, 1) or int(node.attrs.get("ceil_mode", 0)) or len(node.outputs) > 1:
        raise Unsupported("MaxPool with dilation, ceil_mode or indices", where=f"node {node.name}")
    size = _onnx_size(node)
    x = low.graph.input(node, 0)
    stride = onnx_pair(node, "strides")
    pads = onnx_pads(node, x.shape, size)
    source, padding = padded_input(low, node, x, pads, size, stride, (1, 1), INT8_MIN)
    _emit(low, "MAX_POOL_2D", node, source, size, stride, padding)


def average_from_onnx(low: Lowering, node: Node) -> None:
    """AveragePool without padding, or with SAME padding that is not counted."""
    if onnx_pair(node, "dilations") != (1, 1) or int(node.attrs.get("ceil_mode", 0)):
        raise Unsupported("AveragePool with dilation or ceil_mode", where=f"node {node.name}")
    size = _onnx_size(node)
    x = low.graph.input(node, 0)
    stride = onnx_pair(node, "strides")
    pads = onnx_pads(node, x.shape, size)
    # A counted padding is a PAD with the zero point in front; an uncounted one must be SAME.
    source, padding = padded_input(low, node, x, pads, size, stride, (1, 1), x.zero_point)
    counted = bool(int(node.attrs.get("count_include_pad", 0)))
    if any(pads) and counted != (source != x.name):
        raise Unsupported(
            f"AveragePool with padding {list(pads)} and count_include_pad={int(counted)}",
            where=f"node {node.name}",
        )
    _emit(low, "AVERAGE_POOL_2D", node, source, size, stride, padding)


def _onnx_size(node: Node) -> tuple[int, int]:
    if "kernel_shape" not in node.attrs:
        raise Unsupported(f"{node.op} without kernel_shape", where=f"node {node.name}")
    return onnx_pair(node, "kernel_shape")


def _emit(
    low: Lowering,
    op: str,
    node: Node,
    source: str,
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
) -> None:
    low.emit(
        op, node.name, [source], node.outputs, filter_h=size[0], filter_w=size[1],
        stride_h=stride[0], stride_w=stride[1], padding=padding, activation=node.attrs.get("activation", "NONE"),
    )  # fmt: skip


def _case(
    op: str, shape: tuple[int, int, int, int], size: int, stride: int, padding: str, activation: str = "NONE"
) -> Graph:
    quant = QuantParams.per_tensor(0.05, -20)
    attrs = dict(filter_h=size, filter_w=size, stride_h=stride, stride_w=stride, padding=padding, activation=activation)
    out = [-(-n // stride) if padding == "SAME" else (n - size) // stride + 1 for n in shape[1:3]]
    x = Tensor("x", shape, "int8", quant)
    y = Tensor("y", (1, out[0], out[1], shape[3]), "int8", quant)
    return Graph(op.lower(), {"x": x, "y": y}, (Node(op, "pool", ("x",), ("y",), attrs),), ("x",), ("y",))


def _cases(op: str) -> Iterable[Graph]:
    for c in (1, 3, 8, 17):
        yield _case(op, (1, 7, 6, c), 3, 2, "SAME")
    yield _case(op, (1, 8, 8, 4), 2, 2, "VALID", "RELU")
    yield _case(op, (1, 5, 5, 7), 5, 1, "VALID", "RELU6")
    yield _case(op, (1, 6, 9, 3), 3, 1, "SAME")
    yield _case(op, (1, 9, 7, 12), 3, 2, "SAME")


_FIELDS = {
    "filter_h": "filterHeight", "filter_w": "filterWidth", "stride_h": "strideH", "stride_w": "strideW",
    "padding": "padding", "activation": "fusedActivationFunction",
}  # fmt: skip

MAX_POOL_2D = Operator(
    name="MAX_POOL_2D", code=17, options="Pool2DOptions", fields=_FIELDS, version=2, output_shape=output_shape,
    check=check, reference=max_reference, cases=lambda: _cases("MAX_POOL_2D"),
    onnx=("MaxPool",), from_onnx=max_from_onnx, turn=channels_last, step=step,
)  # fmt: skip
AVERAGE_POOL_2D = Operator(
    name="AVERAGE_POOL_2D", code=1, options="Pool2DOptions", fields=_FIELDS, version=2, output_shape=output_shape,
    check=check, reference=average_reference, cases=lambda: _cases("AVERAGE_POOL_2D"),
    onnx=("AveragePool",), from_onnx=average_from_onnx, turn=channels_last, step=step,
)  # fmt: skip
