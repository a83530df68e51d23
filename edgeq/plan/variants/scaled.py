"""Sums of products scaled by a power of two, and how they become int8: docs/kernels.md#scaled-sums."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from edgeq.graph import Graph, Node
from edgeq.ops.numerics import activation_range
from edgeq.ops.weights import bias_values, channel_multipliers

Ints = NDArray[np.int64]
FIELDS = 5  # of a channel: start, multiplier, addend, addend of a negative, shift
LOW, HIGH = -(2**31), 2**31 - 1


def sum_ranges(graph: Graph, node: Node) -> tuple[Ints, Ints]:
    """The least and the greatest sum that each output channel can reach, bias included."""
    x, weights = graph.input(node, 0), _weights(graph, node)
    up, down = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
    least, most = -128 - x.zero_point, 127 - x.zero_point
    bias = bias_values(graph, node, len(weights))
    return bias + up * least + down * most, bias + up * most + down * least


def scaled_channels(graph: Graph, node: Node, scale_bits: int, starts: Ints) -> Ints | None:
    """`FIELDS` for each output channel, of sums times 2^`scale_bits` that begin with `starts`; None where not exact.

    The proof of the arithmetic is in docs/kernels.md#scaled-sums; every addition in it is checked here not to overflow.
    """
    y = graph.output(node)
    clamp = activation_range(node.attrs["activation"], y.scale, y.zero_point)
    least, most = sum_ranges(graph, node)
    factors = zip(*channel_multipliers(graph, node, len(starts)), strict=True)
    rows = []
    for start, low, high, (multiplier, shift) in zip(starts, least, most, factors, strict=True):
        tail = tail_of(int(low), int(high), int(multiplier), int(shift), scale_bits, y.zero_point, clamp[0])
        if tail is None:
            return None
        rows.append(((int(start) - LOW) % 2**32 + LOW, *tail))
    return np.array(rows, np.int64)


def tail_of(
    low: int, high: int, multiplier: int, shift: int, bits: int, zero_point: int, clamp: int
) -> tuple[int, int, int, int] | None:
    """(multiplier, addend, addend of a negative, shift) of a channel whose sums are `low` to `high`, bias included.

    `multiplier` and `shift` are its factor (numerics.md#quantized-multiplier), `clamp` is the low end of its outputs;
    None where the short arithmetic would not be exact.
    """
    right, half = bits - 1 - shift, 1 << max(-shift - 1, 0)
    # So small a factor that nothing but the zero point comes out.
    if shift < 0 and max(high, -low) * multiplier + 2**30 < half << 31:
        return 0, 2 * zero_point, 2 * zero_point, 1
    if not 1 <= right <= 31:
        return None
    up = zero_point * 2**right + (1 << (right - 1)) + (1 << (bits - 2) if shift < 0 else 0)
    # A negative that rounds to zero or below is clamped to the low end anyway where that is the zero point or above.
    down = up - (1 << (bits - 1) if shift < 0 and clamp < zero_point else 0)
    ends = (low * 2**bits, high * 2**bits)
    uppers = [end * multiplier >> 32 for end in ends]
    sums = (*ends, up, down, uppers[0] + min(up, down), uppers[1] + max(up, down))
    return (multiplier, up, down, right) if min(sums) >= LOW and max(sums) <= HIGH else None


def _weights(graph: Graph, node: Node) -> Ints:
    """The weights as [output channels, products]."""
    weights = graph.constant(node, 1)
    if node.op == "DEPTHWISE_CONV_2D":
        weights = np.moveaxis(weights, 3, 0)
    return weights.reshape(weights.shape[0], math.prod(weights.shape[1:])).astype(np.int64)


def weight_sums(graph: Graph, node: Node) -> Ints:
    """The sum of each output channel's weights."""
    sums: Ints = _weights(graph, node).sum(axis=1)
    return sums


def fields_of(params: bytes) -> tuple[int, ...]:
    """The parameters of a step, which are all int32."""
    return struct.unpack(f"<{len(params) // 4}i", params)
