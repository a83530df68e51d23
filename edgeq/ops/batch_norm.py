"""ONNX's BatchNormalization where nothing took it in: a DEPTHWISE_CONV_2D of one tap per channel."""

from __future__ import annotations

import numpy as np

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Node, QuantParams, Tensor
from edgeq.ops.numerics import INT8_MAX
from edgeq.ops.operator import Lowering
from edgeq.ops.weights import lower_bias_values

_BIAS_MAX = 1 << 30  # of an int32


def lower_batch_norm(low: Lowering, node: Node) -> None:
    """BatchNormalization, a factor and an offset per channel; a Conv in as many groups as channels comes here, too."""
    x = low.graph.input(node, 0)
    if len(x.shape) != 4 or int(node.attrs.get("training_mode", 0)):
        raise Unsupported(f"BatchNormalization of {list(x.shape)}, or in training", where=f"node {node.name}")
    gamma, beta, mean, variance = (low.graph.constant(node, i).astype(np.float64) for i in range(1, 5))
    factor = gamma / np.sqrt(variance + float(node.attrs.get("epsilon", 1e-5)))
    offset = beta - mean * factor
    if factor.shape != x.shape[3:] or not np.isfinite(factor).all() or not np.isfinite(offset).all():
        raise BadInput("BatchNormalization whose parameters do not fit its input", where=f"node {node.name}")
    # The factor's own scale makes it 127, unless the offset needs a larger one to fit a bias.
    scale = np.maximum(np.abs(factor) / INT8_MAX, np.abs(offset) / (x.scale * _BIAS_MAX))
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    channels = len(factor)
    quant = QuantParams(tuple(float(s) for s in scale), (0,) * channels, 3 if channels > 1 else None)
    values = np.rint(factor / scale).astype(np.int8).reshape(1, 1, 1, -1)
    weights = low.constant(f"{node.outputs[0]}/weights", values, quant)
    real = Tensor(f"{node.outputs[0]}/offset", (channels,), "float32", None, offset.astype(np.float32))
    bias = lower_bias_values(low, node, x, low.tensors[weights], real)
    low.emit(
        "DEPTHWISE_CONV_2D", node.name, [x.name, weights, bias], node.outputs, stride_h=1, stride_w=1, dilation_h=1,
        dilation_w=1, padding="VALID", depth_multiplier=1, activation=node.attrs.get("activation", "NONE"),
    )  # fmt: skip
