"""CONV_2D: int8 activations NHWC, OHWI weights per channel (axis 0) or per tensor, int32 bias.

Weights of fewer input channels than the activation's make it a grouped one: output channels in as many parts, each of
which reads its own part of the input channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.depthwise_conv2d import lower_depthwise
from edgeq.ops.layout import CHANNELS_LAST, convolution
from edgeq.ops.numerics import activation_range, exact_matmul, requantise
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32, require_int8, seeded
from edgeq.ops.pad import padded_input
from edgeq.ops.weights import bias_values, channel_multipliers, check_weights, convolution_fields, lower_bias
from edgeq.ops.window import Window, onnx_pads, onnx_pair, window_of


def _groups(x: Tensor, weights: Tensor) -> int:
    return x.shape[3] // weights.shape[3]


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[N, out_h, out_w, O]."""
    x, weights = graph.input(node, 0), graph.input(node, 1)
    return x.shape[0], *window_of(graph, node).output_size(x.shape[1], x.shape[2]), weights.shape[0]


def check(graph: Graph, node: Node) -> None:
    """int8 in and out, symmetric constant weights OHWI whose I is the input's C or its C in each group."""
    x, weights = graph.input(node, 0), graph.input(node, 1)
    require_int8(graph, node, x, graph.output(node))
    check_weights(graph, node, axis=0)
    fits = len(x.shape) == len(weights.shape) == 4 and x.shape[3] % max(weights.shape[3], 1) == 0
    if not fits or weights.shape[0] % _groups(x, weights):
        raise Unsupported(
            f"weights {list(weights.shape)} do not fit an input of {list(x.shape)}",
            where=f"node {node.name}",
        )


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#convolution."""
    x, y, weights = graph.input(node, 0), graph.output(node), graph.constant(node, 1)
    channels = weights.shape[0]
    # Padding counts as the zero point, so that it adds nothing.
    patches = window_of(graph, node).patches(inputs[0].astype(np.float32) - x.zero_point, fill=0)
    groups, depth = _groups(x, graph.input(node, 1)), weights.shape[3]
    sums = [
        exact_matmul(
            patches[..., i * depth : (i + 1) * depth].reshape(-1, weights[0].size),
            part.reshape(len(part), -1).T,
        )
        for i, part in enumerate(np.split(weights, groups))
    ]
    acc = np.concatenate(sums, axis=1) + bias_values(graph, node, channels)
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    out = requantise(acc, *channel_multipliers(graph, node, channels), y.zero_point, clamp)
    return out.reshape(*patches.shape[:3], channels)


def macs(graph: Graph, node: Node) -> int:
    """One per weight and output position."""
    return graph.output(node).elements * graph.input(node, 1).elements // graph.input(node, 1).shape[0]


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#conv2d_s8 and plan-format.md#grouped_conv2d_s8."""
    x, weights = graph.input(node, 0), graph.input(node, 1)
    fields = convolution_fields(graph, node, weights.shape[0], locate)
    groups = _groups(x, weights)
    return Step("conv2d_s8", pack_i32(*fields)) if groups == 1 else Step("grouped_conv2d_s8", pack_i32(*fields, groups))


def from_onnx(low: Lowering, node: Node) -> None:
    """Conv, with a fused activation; asymmetric or non-SAME padding becomes a PAD in front."""
    graph = low.graph
    x, weights = graph.input(node, 0), graph.input(node, 1)
    if len(weights.shape) != 4:
        raise Unsupported(f"a convolution over {len(weights.shape) - 2} dimensions", where=f"node {node.name}")
    groups = int(node.attrs.get("group", 1))
    if groups == x.shape[-1] and groups > 1:
        lower_depthwise(low, node, x, weights)
        return
    if weights.shape[3] * groups != x.shape[3]:
        raise Unsupported(
            f"{groups} groups of {weights.shape[3]} channels, not {x.shape[3]}", where=f"node {node.name}"
        )
    size = (weights.shape[1], weights.shape[2])
    stride, dilation = onnx_pair(node, "strides"), onnx_pair(node, "dilations")
    source, padding = padded_input(low, node, x, onnx_pads(node, x.shape, size), size, stride, dilation, x.zero_point)
    bias = lower_bias(low, node, x, weights)
    low.emit(
        "CONV_2D", node.name, [source, weights.name, bias], node.outputs,
        stride_h=stride[0], stride_w=stride[1], dilation_h=dilation[0], dilation_w=dilation[1],
        padding=padding, activation=node.attrs.get("activation", "NONE"),
    )  # fmt: skip


def case(
    x_shape: tuple[int, int, int, int],
    out_channels: int,
    size: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    activation: str = "NONE",
    per_channel: bool = True,
    bias: bool = True,
    zero_points: tuple[int, int] = (3, -5),
    scales: tuple[float, float] = (0.05, 0.4),
    groups: int = 1,
    seed: int = 0,
) -> Graph:
    """A graph of one convolution with seeded values."""
    rng = np.random.default_rng(seed)
    n_scales = out_channels if per_channel else 1
    scale = tuple(float(np.float32(s)) for s in rng.uniform(0.002, 0.02, n_scales))
    weights = Tensor(
        "w", (out_channels, *size, x_shape[3] // groups), "int8",
        QuantParams(scale, (0,) * n_scales, 0 if per_channel else None),
        seeded(out_channels, *size, x_shape[3] // groups, seed=seed, low=-127),
    )  # fmt: skip
    bias_quant = QuantParams(
        tuple(float(np.float32(scales[0]) * np.float32(s)) for s in scale),
        (0,) * n_scales,
        weights.quant.axis,  # type: ignore[union-attr]
    )
    b = Tensor("b", (out_channels,), "int32", bias_quant, rng.integers(-9000, 9000, out_channels, dtype=np.int32))
    attrs = dict(
        stride_h=stride[0], stride_w=stride[1], dilation_h=dilation[0], dilation_w=dilation[1],
        padding=padding, activation=activation,
    )  # fmt: skip
    node = Node("CONV_2D", "conv", ("x", "w", "b") if bias else ("x", "w"), ("y",), attrs)
    x = Tensor("x", x_shape, "int8", QuantParams.per_tensor(scales[0], zero_points[0]))
    win = Window(size, stride, dilation, (0, 0), (0, 0))
    if padding == "SAME":
        height, width = (-(-x_shape[i] // stride[i - 1]) for i in (1, 2))
    else:
        height, width = win.output_size(x_shape[1], x_shape[2])
    y = Tensor(
        "y",
        (x_shape[0], height, width, out_channels),
        "int8",
        QuantParams.per_tensor(scales[1], zero_points[1]),
    )
    tensors = {t.name: t for t in (x, weights, y)} | ({"b": b} if bias else {})
    return Graph("conv2d", tensors, (node,), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """Sizes around the vector widths, strides, dilation, paddings, per-tensor, no bias, extremes of zero point."""
    for seed, c in enumerate((1, 3, 7, 8, 15, 16, 17)):
        yield case((1, 5, 6, c), 4 + seed, (3, 3), seed=seed)
    yield case((1, 9, 8, 3), 8, (7, 7), stride=(2, 2), padding="VALID", zero_points=(-128, 127))
    yield case((1, 7, 7, 8), 5, (3, 3), stride=(2, 2), activation="RELU", zero_points=(127, -128))
    yield case((1, 8, 5, 4), 6, (3, 2), stride=(1, 3), dilation=(2, 1), per_channel=False)
    yield case((1, 6, 6, 8), 8, (1, 1), stride=(2, 2), bias=False, activation="RELU6", scales=(0.05, 0.03))
    yield case((1, 4, 4, 8), 3, (3, 3), scales=(0.05, 1e-4), seed=9)  # factors above one shift left
    yield case((1, 4, 4, 8), 3, (3, 3), scales=(1e-9, 0.9), seed=10)  # factors so small that all bits leave
    yield case((1, 5, 4, 6), 4, (3, 3), groups=2, seed=11)
    yield case((1, 5, 6, 12), 9, (2, 3), groups=3, stride=(2, 1), dilation=(1, 2), padding="VALID", per_channel=False)


OPERATOR = Operator(
    name="CONV_2D",
    code=3,
    options="Conv2DOptions",
    fields={
        "stride_h": "strideH", "stride_w": "strideW", "dilation_h": "dilationHFactor", "dilation_w": "dilationWFactor",
        "padding": "padding", "activation": "fusedActivationFunction",
    },
    version=3,
    output_shape=output_shape,
    check=check,
    reference=reference,
    cases=cases,
    onnx=("Conv",),
    from_onnx=from_onnx,
    turn=convolution(CHANNELS_LAST),
    macs=macs,
    step=step,
)  # fmt: skip
