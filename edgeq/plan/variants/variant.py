"""What the variants of a kernel have in common: what they are offered for, what they offer, and shared conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.ops.weights import bias_values

SHIFT_MOST = 21  # with which the constant of `scaled_offset` fits 32 bits beside the product


@dataclass(frozen=True)
class Target:
    """What of a board decides between kernels."""

    mac16: bool = False
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Variant:
    """A step with one kernel that computes it, the scratch that it takes and its modelled instructions."""

    step: Step
    scratch_bytes: int
    instructions: float


def largest_sum(graph: Graph, node: Node, axis: int = 0) -> int:
    """The largest size that a convolution's sums can reach, bias included; output channels lie along `axis`."""
    weights = np.moveaxis(graph.constant(node, 1), axis, 0)
    channels = weights.shape[0]
    products: NDArray[np.int64] = 255 * np.abs(weights.astype(np.int64)).reshape(channels, -1).sum(axis=1)
    return int((products + np.abs(bias_values(graph, node, channels))).max())


def scaled_offset(shift: int, zero_point: int) -> int:
    """C of kernels.md#requantisation for sums times 4, with the output's zero point in it; `shift` is at most 0."""
    half = 1 << (-shift - 1) if shift else 0
    return 1 + 2 * half + (zero_point << (1 - shift))


def rounded(n: int, multiple: int) -> int:
    """`n` rounded up."""
    return -(-n // multiple) * multiple
