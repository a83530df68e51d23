"""DEPTHWISE_CONV_2D: each input channel has its own filters, [1, h, w, O], per channel (axis 3) or per tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.batch_norm import lower_batch_norm
from edgeq.ops.layout import channels_last
from edgeq.ops.numerics import activation_range, requantise
from edgeq.ops.operator import Array, Locate, Lowering, Operator, Step, pack_i32, require_int8, seeded
from edgeq.ops.pad import padded_input
from edgeq.ops.weights import bias_values, channel_multipliers, check_weights, convolution_fields, lower_bias
from edgeq.ops.window import Window, onnx_pads, onnx_pair, window_of


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """[N, out_h, out_w, O]."""
    x, weights = graph.input(node, 0), graph.input(node, 1)
    return x.shape[0], *window_of(graph, node).output_size(x.shape[1], x.shape[2]), weights.shape[3]


def check(graph: Graph, node: Node) -> None:
    """int8 in and out, symmetric constant weights [1, h, w, C * multiplier]."""
    x, weights = graph.input(node, 0), graph.input(node, 1)
    require_int8(graph, node, x, graph.output(node))
    check_weights(graph, node, axis=3)
    if len(x.shape) != 4 or len(weights.shape) != 4 or weights.shape[0] != 1 or weights.shape[3] % x.shape[3]:
        raise Unsupported(
            f"weights {list(weights.shape)} do not fit an input of {list(x.shape)}", where=f"node {node.name}"
        )


def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
    """numerics.md#convolution; output channel c * multiplier + m reads input channel c."""
    x, y, weights = graph.input(node, 0), graph.output(node), graph.constant(node, 1)
    channels = weights.shape[3]
    filters = weights[0].reshape(*weights.shape[1:3], x.shape[3], channels // x.shape[3]).astype(np.int32)
    patches = window_of(graph, node).patches(inputs[0].astype(np.int16) - x.zero_point, fill=0)
    acc = np.zeros((*patches.shape[:3], *filters.shape[2:]), np.int64)
    for row in range(filters.shape[0]):
        for column in range(filters.shape[1]):
            acc += patches[:, :, :, row, column, :, None] * filters[row, column]
    acc = acc.reshape(*patches.shape[:3], channels) + bias_values(graph, node, channels)
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    return requantise(acc, *channel_multipliers(graph, node, channels), y.zero_point, clamp)


def macs(graph: Graph, node: Node) -> int:
    """One per tap and output value."""
    weights = graph.input(node, 1)
    return graph.output(node).elements * weights.shape[1] * weights.shape[2]


def step(graph: Graph, node: Node, locate: Locate) -> Step:
    """plan-format.md#depthwise_conv2d_s8."""
    channels = graph.input(node, 1).shape[3]
    return Step("depthwise_conv2d_s8", pack_i32(*convolution_fields(graph, node, channels, locate)))


def lower_depthwise(low: Lowering, node: Node, x: Tensor, weights: Tensor) -> None:
    """An ONNX Conv with as many groups as input channels; its weights come as [O, h, w, 1]."""
    if weights.data is None or weights.quant is None or weights.shape[3] != 1 or weights.shape[0] % x.shape[3]:
        raise Unsupported("a depthwise convolution needs constant weights [O, 1, h, w]", where=f"node {node.name}")
    size = (weights.shape[1], weights.shape[2])
    stride, dilation = onnx_pair(node, "strides"), onnx_pair(node, "dilations")
    source, padding = padded_input(low, node, x, onnx_pads(node, x.shape, size), size, stride, dilation, x.zero_point)
    bias = lower_bias(low, node, x, weights)
    quant = weights.quant
    turned = QuantParams(quant.scale, quant.zero_point, 3 if quant.is_per_channel else None)
    data = np.ascontiguousarray(weights.data.transpose(3, 1, 2, 0))
    name = low.constant(f"{node.outputs[0]}/weights", data, turned)
    low.emit(
        "DEPTHWISE_CONV_2D", node.name, [source, name, bias], node.outputs,
        stride_h=stride[0], stride_w=stride[1], dilation_h=dilation[0], dilation_w=dilation[1], padding=padding,
        depth_multiplier=weights.shape[0] // x.shape[3], activation=node.attrs.get("activation", "NONE"),
    )  # fmt: skip


def case(
    channels: int,
    multiplier: int = 1,
    *,
    size: tuple[int, int] = (3, 3),
    stride: int = 1,
    dilation: int = 1,
    padding: str = "SAME",
    activation: str = "NONE",
    per_channel: bool = True,
    sides: tuple[int, int] = (6, 7),
    out_scale: float = 0.11,
) -> Graph:
    """A graph of one depthwise convolution with seeded values."""
    (height, width), outputs = sides, channels * multiplier
    rng = np.random.default_rng([channels, multiplier, stride])
    count = outputs if per_channel else 1
    scale = tuple(float(np.float32(s)) for s in rng.uniform(0.005, 0.03, count))
    axis = 3 if count > 1 else None
    x = Tensor("x", (1, height, width, channels), "int8", QuantParams.per_tensor(0.06, -9))
    weights = Tensor(
        "w", (1, *size, outputs), "int8", QuantParams(scale, (0,) * count, axis), seeded(1, *size, outputs, low=-127)
    )
    bias_scale = tuple(float(np.float32(x.scale) * np.float32(s)) for s in scale)
    bias = Tensor(
        "b", (outputs,), "int32", QuantParams(bias_scale, (0,) * count, 0 if count > 1 else None),
        rng.integers(-3000, 3000, outputs, dtype=np.int32),
    )  # fmt: skip
    if padding == "SAME":
        out = tuple(-(-n // stride) for n in (height, width))
    else:
        win = Window(size, (stride, stride), (dilation, dilation), (0, 0), (0, 0))
        out = win.output_size(height, width)
    y = Tensor("y", (1, *out, outputs), "int8", QuantParams.per_tensor(out_scale, 6))
    attrs = {
        "stride_h": stride, "stride_w": stride, "dilation_h": dilation, "dilation_w": dilation, "padding": padding,
        "depth_multiplier": multiplier, "activation": activation,
    }  # fmt: skip
    node = Node("DEPTHWISE_CONV_2D", "depthwise", ("x", "w", "b"), ("y",), attrs)
    return Graph("depthwise_conv2d", {t.name: t for t in (x, weights, bias, y)}, (node,), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """Channels around the vector widths, multipliers, strides, dilation, paddings, per tensor."""
    for channels in (1, 3, 7, 8, 15, 16, 17):
        yield case(channels)
    yield case(4, 3, stride=2, activation="RELU6")
    yield case(1, 8, size=(5, 4), padding="VALID")
    yield case(6, dilation=2, activation="RELU")
    yield case(5, 2, per_channel=False, stride=3)


OPERATOR = Operator(
    name="DEPTHWISE_CONV_2D",
    code=4,
    options="DepthwiseConv2DOptions",
    fields={
        "stride_h": "strideH", "stride_w": "strideW", "dilation_h": "dilationHFactor", "dilation_w": "dilationWFactor",
        "padding": "padding", "depth_multiplier": "depthMultiplier", "activation": "fusedActivationFunction",
    },
    version=3,
    output_shape=output_shape,
    check=check,
    reference=reference,
    cases=cases,
    onnx=("BatchNormalization",),
    from_onnx=lower_batch_norm,
    macs=macs,
    step=step,
    turn=channels_last,
)  # fmt: skip
