"""What CONV_2D and FULLY_CONNECTED share: weights, int32 bias and one requantisation factor per output channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.numerics import activation_range, quantize_multiplier
from edgeq.ops.operator import Locate, Lowering
from edgeq.ops.window import window_of

NO_BIAS = -1  # in a step's parameters, where a bias' offset would stand


def check_weights(graph: Graph, node: Node, axis: int) -> None:
    """Weights: int8, zero point 0, constant, per tensor or along `axis`; bias: int32, constant, one per channel."""
    weights, bias = graph.input(node, 1), graph.optional_input(node, 2)
    quant = weights.quant
    if weights.dtype != "int8" or quant is None or weights.data is None:
        raise Unsupported(f"{node.op} needs constant int8 weights", where=f"node {node.name}")
    if any(quant.zero_point):
        raise Unsupported(
            f"{node.op} needs symmetric weights, but {weights.name} has a zero point that is not 0",
            where=f"node {node.name}",
            hint="quantise the weights symmetrically",
        )
    if quant.axis not in (None, axis):
        raise Unsupported(
            f"{node.op} needs weights quantised along axis {axis}, not {quant.axis}",
            where=f"node {node.name}",
        )
    channels = weights.shape[axis] if len(weights.shape) > axis else 0
    if bias is not None and (bias.dtype != "int32" or bias.data is None or bias.shape != (channels,)):
        raise Unsupported(
            f"{node.op} needs a constant int32 bias of {channels}, not {bias.dtype}{list(bias.shape)}",
            where=f"node {node.name}",
        )


def channel_multipliers(graph: Graph, node: Node, channels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(multipliers, shifts), one each per output channel (numerics.md#convolution)."""
    scales = effective_scales(graph, node, channels)
    pairs = [quantize_multiplier(s) for s in scales]
    return np.array([m for m, _ in pairs], np.int64), np.array([s for _, s in pairs], np.int64)


def effective_scales(graph: Graph, node: Node, channels: int) -> Sequence[float]:
    """input scale * weight scale / output scale in float64, one per output channel (numerics.md#convolution)."""
    x, weights, y = graph.input(node, 0), graph.input(node, 1), graph.output(node)
    quant = weights.quant or QuantParams.per_tensor(1.0, 0)  # check_weights has refused weights without
    per_channel = quant.scale if quant.is_per_channel else quant.scale * channels
    return [x.scale * s / y.scale for s in per_channel]


def bias_values(graph: Graph, node: Node, channels: int) -> NDArray[np.int64]:
    """The int32 bias, zeros where there is none."""
    bias = graph.optional_input(node, 2)
    return np.zeros(channels, np.int64) if bias is None or bias.data is None else bias.data.astype(np.int64)


def lower_bias(low: Lowering, node: Node, x: Tensor, weights: Tensor) -> str:
    """The ONNX node's bias as an int32 constant of scale input * weight, zeros if it has none (LiteRT demands one).

    A quantised bias of that very scale keeps its integers; any other is quantised anew from its real values.
    """
    bias = low.graph.optional_input(node, 2)
    if bias is None:
        bias = Tensor("zeros", weights.shape[:1], "float32", None, np.zeros(weights.shape[0], np.float32))
    return lower_bias_values(low, node, x, weights, bias)


def lower_bias_values(low: Lowering, node: Node, x: Tensor, weights: Tensor, bias: Tensor) -> str:
    """`bias` as an int32 constant of scale input * weight."""
    if bias.data is None or weights.quant is None or x.quant is None:
        raise Unsupported("the weights and the bias must be quantised constants", where=f"node {node.name}")
    products = [np.float32(x.scale) * np.float32(s) for s in weights.quant.scale]
    quant = QuantParams(
        tuple(float(p) for p in products), (0,) * len(products), 0 if weights.quant.is_per_channel else None
    )
    if bias.dtype == "int32" and bias.quant is not None and _close(bias.quant, quant):
        values = bias.data
    else:
        real = bias.data if bias.quant is None else bias.quant.dequantise(bias.data)
        scaled = np.rint(real.astype(np.float64) / np.asarray(quant.scale))
        if not np.all(np.abs(scaled) <= 2**31 - 1):
            raise BadInput(
                "the bias does not fit 32 bits at the scale of input times weights", where=f"node {node.name}"
            )
        values = scaled.astype(np.int32)
    return low.constant(f"{node.outputs[0]}/bias", values, quant)


def _close(a: QuantParams, b: QuantParams) -> bool:
    # A scale may be given once for all channels, and exporters multiply in float32 or float64.
    same_form = len(a.scale) in (1, len(b.scale)) and not any(a.zero_point)
    return same_form and bool(np.allclose(a.scale, b.scale, rtol=1e-6, atol=0))


def constant_offsets(graph: Graph, node: Node, locate: Locate) -> tuple[int, int]:
    """Where weights and bias lie in the .tflite file; NO_BIAS for an absent bias."""
    bias = graph.optional_input(node, 2)
    return locate(graph.input(node, 1).name), NO_BIAS if bias is None else locate(bias.name)


def convolution_fields(graph: Graph, node: Node, channels: int, locate: Locate) -> tuple[int, ...]:
    """A convolution's parameters in the plan (plan-format.md#conv2d_s8), of so many output channels."""
    x, y, win = graph.input(node, 0), graph.output(node), window_of(graph, node)
    multipliers, shifts = channel_multipliers(graph, node, channels)
    return (
        *win.size, *win.stride, *win.dilation, *win.before,
        x.zero_point, y.zero_point, *activation_range(node.attrs["activation"], y.scale, y.zero_point),
        *constant_offsets(graph, node, locate), *multipliers.tolist(), *shifts.tolist(),
    )  # fmt: skip
