"""The kernels that may stand in for a plain one: one module for each, and this list of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgeq.graph import Graph, Node
from edgeq.ops import Step
from edgeq.plan.variants import (
    add,
    add_table,
    average_pool2d,
    average_pool2d_words,
    conv2d,
    conv2d_gather,
    conv2d_mac16,
    conv2d_winograd,
    depthwise,
    depthwise3x3,
    depthwise3x3_mac16,
    depthwise_mac16,
    fully_connected,
    fully_connected_mac16,
    max_pool2d,
    max_pool2d_words,
    mean,
    mean_words,
    mul,
    mul_scaled,
)
from edgeq.plan.variants.variant import Target, Variant

Offer = Callable[[Graph, Node, Step, Target], Iterator[Variant]]

# Plain kernel: what may run its steps, itself included. Where a kernel is not named, it is the only one.
VARIANTS: dict[str, tuple[Offer, ...]] = {
    "add_s8": (add.offer, add_table.offer),
    "average_pool2d_s8": (average_pool2d.offer, average_pool2d_words.offer),
    "sub_s8": (add.offer, add_table.offer),
    "conv2d_s8": (conv2d.offer, conv2d_mac16.offer, conv2d_winograd.offer, conv2d_gather.offer),
    "depthwise_conv2d_s8": (
        depthwise.offer,
        depthwise3x3.offer,
        depthwise3x3_mac16.offer,
        depthwise_mac16.offer,
    ),
    "fully_connected_s8": (fully_connected.offer, fully_connected_mac16.offer),
    "max_pool2d_s8": (max_pool2d.offer, max_pool2d_words.offer),
    "mean_s8": (mean.offer, mean_words.offer),
    "mul_s8": (mul.offer, mul_scaled.offer),
}
