"""TRANSPOSE_CONV: a convolution run backwards; inputs are the output's shape, OHWI weights, the activation, a bias."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.layout import convolution
from edgeq.ops.numerics import activation_range, exact_matmul, requantise
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, constant_ints, pack_i32, require_int8, seeded
from edgeq.ops.weights import bias_values, channel_multipliers, check_weights, constant_offsets, lower_bias
from edgeq.ops.window import LIMIT, onnx_pair, same_padding


def _as_conv(node: Node) -> Node:
    """The same node with its inputs in CONV_2D's order: activation, weights, bias."""
    return replace(node, inputs=(node.inputs[2], node.inputs[1], *node.inputs[3:]))


def _pads(graph: Graph, node: Node) -> tuple[int, int]:
    """(rows, columns) in front of the output that are left out."""
    weights, y = graph.input(node, 1), graph.output(node)
    if node.attrs["padding"] == "VALID":
        return 0, 0
    strides = (int(node.attrs["stride_h"]), int(node.attrs["stride_w"]))
    top, left = (same_padding(y.shape[i + 1], weights.shape[i + 1], strides[i], 1)[0] for i in (0, 1))
    return top, left


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """Input 0."""
    return tuple(constant_ints(graph, node, 0))


def check(graph: Graph, node: Node) -> None:
    """int8 in and out, symmetric constant weights OHWI, an output of the size that the padding gives."""
    weights, x, y = graph.input(node, 1), graph.input(node, 2), graph.output(node)
    require_int8(graph, node, x, y)
    check_weights(graph, _as_conv(node), axis=0)
    if not len(x.shape) == len(y.shape) == len(weights.shape) == 4 or weights.shape[3::-3] != (x.shape[3], y.shape[3]):
        raise Unsupported(
            f"weights {list(weights.shape)} do not fit {list(x.shape)} and {list(y.shape)}", where=f"node {node.name}"
        )
    strides = (int(node.attrs["stride_h"]), int(node.attrs["stride_w"]))
    if node.attrs["padding"] not in ("SAME", "VALID") or not 1 <= min(strides) <= max(strides) <= LIMIT:
        raise Unsupported(f"TRANSPOSE_CONV with padding {node.attrs['padding']} and strides {strides}")
    for n, out, k, s in zip(x.shape[1:3], y.shape[1:3], weights.shape[1:3], strides, strict=True):
        expected = -(-out // s) if node.attrs["padding"] == "SAME" else (out - k) // s + 1
        if n != expected or not 1 <= k <= LIMIT:
            raise Unsupported(
                f"TRANSPOSE_CONV from {n} to {out} with a window of {k} and a stride of {s}", where=f"node {node.name}"
            )


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#transpose-conv."""
    x, y, weights = graph.input(node, 2), graph.output(node), graph.constant(node, 1)
    channels, kh, kw, depth = weights.shape
    (top, left), (sh, sw) = _pads(graph, node), (int(node.attrs["stride_h"]), int(node.attrs["stride_w"]))
    batch, height, width, _ = inputs[2].shape
    values = inputs[2].reshape(-1, depth).astype(np.int16) - x.zero_point
    # Every input pixel's share of the outputs around it, before what is left out.
    shares = exact_matmul(values, weights.reshape(-1, depth).T).reshape(batch, height, width, channels, kh, kw)
    rows = max((height - 1) * sh + kh, top + y.shape[1])
    columns = max((width - 1) * sw + kw, left + y.shape[2])
    whole = np.zeros((batch, rows, columns, channels), np.int64)
    for i in range(kh):
        for j in range(kw):
            part = whole[:, i : i + (height - 1) * sh + 1 : sh, j : j + (width - 1) * sw + 1 : sw]
            part += shares[..., i, j]
    acc = whole[:, top : top + y.shape[1], left : left + y.shape[2]]
    as_conv = _as_conv(node)
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    factors = channel_multipliers(graph, as_conv, channels)
    return requantise(acc + bias_values(graph, as_conv, channels), *factors, y.zero_point, clamp)


def macs(graph: Graph, node: Node) -> int:
    """One per weight and input position."""
    x, weights = graph.input(node, 2), graph.input(node, 1)
    return x.shape[1] * x.shape[2] * weights.elements


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#transpose_conv_s8."""
    x, y, weights = graph.input(node, 2), graph.output(node), graph.input(node, 1)
    multipliers, shifts = channel_multipliers(graph, _as_conv(node), weights.shape[0])
    fields = (
        *weights.shape[1:3], int(node.attrs["stride_h"]), int(node.attrs["stride_w"]), 1, 1, *_pads(graph, node),
        x.zero_point, y.zero_point, *activation_range(node.attrs["activation"], y.scale, y.zero_point),
        *constant_offsets(graph, _as_conv(node), locate), *multipliers.tolist(), *shifts.tolist(),
    )  # fmt: skip
    return Step("transpose_conv_s8", pack_i32(*fields))


def from_onnx(low: Lowering, node: Node) -> None:
    """ConvTranspose; where its padding is not SAME, the whole output is made and the padding sliced off."""
    x, weights, y = low.graph.input(node, 0), low.graph.input(node, 1), low.graph.output(node)
    stride, pads = onnx_pair(node, "strides"), tuple(int(p) for p in node.attrs.get("pads", (0, 0, 0, 0)))
    plain = node.attrs.get("auto_pad", "NOTSET") in ("NOTSET", "VALID") and "output_shape" not in node.attrs
    if int(node.attrs.get("group", 1)) != 1 or onnx_pair(node, "dilations") != (1, 1) or len(pads) != 4 or not plain:
        raise Unsupported("ConvTranspose in groups, with dilation, auto_pad or output_shape", where=f"node {node.name}")
    size, before, after = weights.shape[1:3], pads[:2], y.shape[1:3]
    sides = list(zip(x.shape[1:3], size, stride, before, after, strict=True))
    same = all(n == -(-out // s) and same_padding(out, k, s, 1)[0] == b for n, k, s, b, out in sides)
    whole = [max((n - 1) * s + k, b + out) for n, k, s, b, out in sides]
    made, padding = (after, "SAME") if same else (tuple(whole), "VALID")
    shape = (1, *made, y.shape[3])
    result = y.name if made == after else low.activation(f"{y.name}/whole", shape, y.quant)
    operands = [low.constant(f"{y.name}/shape", np.array(shape, np.int32)), weights.name, x.name]
    low.emit(
        "TRANSPOSE_CONV", node.name if made == after else result, [*operands, lower_bias(low, node, x, weights)],
        [result], stride_h=stride[0], stride_w=stride[1], padding=padding,
        activation=node.attrs.get("activation", "NONE"),
    )  # fmt: skip
    if made != after:
        begin = low.constant(f"{y.name}/begin", np.array((0, *before, 0), np.int32))
        extent = low.constant(f"{y.name}/size", np.array(y.shape, np.int32))
        low.emit("SLICE", node.name, [result, begin, extent], node.outputs)


def _case(
    x: tuple[int, int, int],
    y: tuple[int, int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
    *,
    activation: str = "NONE",
    per_channel: bool = True,
    bias: bool = True,
) -> Graph:
    rng = np.random.default_rng(len(padding))
    channels = y[2]
    count = channels if per_channel else 1
    scale = tuple(float(np.float32(s)) for s in rng.uniform(0.002, 0.02, count))
    axis = 0 if count > 1 else None
    shape = (channels, *size, x[2])
    products = tuple(float(np.float32(0.05) * np.float32(s)) for s in scale)
    zeros = (0,) * count
    tensors = [
        Tensor("shape", (4,), "int32", None, np.array((1, *y), np.int32)),
        Tensor("w", shape, "int8", QuantParams(scale, zeros, axis), seeded(*shape, low=-127)),
        Tensor("x", (1, *x), "int8", QuantParams.per_tensor(0.05, 3)),
    ]
    if bias:
        values = rng.integers(-9000, 9000, channels, dtype=np.int32)
        tensors.append(Tensor("b", (channels,), "int32", QuantParams(products, zeros, axis), values))
    attrs = dict(stride_h=stride[0], stride_w=stride[1], padding=padding, activation=activation)
    node = Node("TRANSPOSE_CONV", "conv", tuple(t.name for t in tensors), ("y",), attrs)
    tensors.append(Tensor("y", (1, *y), "int8", QuantParams.per_tensor(0.2, -5)))
    return Graph("transpose_conv", {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """Strides that divide the window and that do not, both paddings, windows smaller than a stride."""
    yield _case((3, 4, 3), (6, 8, 5), (4, 4), (2, 2), "SAME")
    yield _case((3, 4, 8), (6, 8, 2), (3, 3), (2, 2), "SAME", activation="RELU")
    yield _case((3, 4, 7), (5, 11, 4), (3, 3), (2, 3), "SAME", per_channel=False)
    yield _case((3, 4, 4), (6, 8, 3), (2, 2), (2, 2), "VALID", activation="RELU6")
    yield _case((2, 3, 5), (5, 9, 6), (3, 5), (2, 2), "VALID", bias=False)
    yield _case((3, 3, 2), (7, 7, 3), (1, 1), (3, 3), "VALID")
    yield _case((1, 1, 16), (4, 4, 1), (4, 4), (1, 1), "VALID")


OPERATOR = Operator(
    name="TRANSPOSE_CONV", code=67, options="TransposeConvOptions",
    fields={
        "stride_h": "strideH", "stride_w": "strideW", "padding": "padding", "activation": "fusedActivationFunction",
    },
    version=4, output_shape=output_shape, check=check, reference=reference, cases=cases, macs=macs, step=step,
    onnx=("ConvTranspose",), from_onnx=from_onnx, turn=convolution((1, 2, 3, 0)),
)  # fmt: skip
