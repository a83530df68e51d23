"""Layers around every unroll of the plain kernels: channels, pixels beside each other, windows that are cut off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from edgeq.graph import Graph
from edgeq.ops import conv2d, depthwise_conv2d, fully_connected

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)
ACTIVATIONS = ("NONE", "RELU", "RELU6")


def shapes() -> Iterator[Graph]:
    """Some 150 graphs of one node."""
    yield from _convolutions()
    for i, (high, wide) in enumerate(product((1, 2, 3, 4, 7), (1, 2, 5, 6))):
        for stride in (1, 2):
            padding, activation = ("SAME", "VALID")[i % 2 if min(high, wide) > 2 else 0], ACTIVATIONS[i % 3]
            yield depthwise_conv2d.case(
                CHANNELS[i % 12], 1 + i % 2, stride=stride, sides=(high, wide), padding=padding, activation=activation
            )
    for i, size in enumerate(((5, 5), (1, 3), (3, 1), (4, 2))):
        yield depthwise_conv2d.case(9 + i, size=size, stride=1 + i % 3, sides=(8, 6))
    for i, c in enumerate(CHANNELS):
        yield fully_connected.case(c, 1 + i, per_channel=i > 0)


def _convolutions() -> Iterator[Graph]:
    for i, c in enumerate(CHANNELS):
        points = ((-128, 127), (127, -128), (0, 3))[i % 3]
        yield conv2d.case((1, 3 + i % 5, 1 + i % 9, c), 1 + i, (3, 3), seed=i, zero_points=points, per_channel=i > 0)
        yield conv2d.case((1, 5, 7, c), 7, (1, 1), stride=(2, 2), seed=i, activation=ACTIVATIONS[i % 3])
        yield conv2d.case((1, 2, 1 + i, c), 5, (1, 1), seed=i, zero_points=points)
        yield conv2d.case((1, 9, 9, c), 3, (5, 2), stride=(1, 2), padding="VALID", seed=i)
        yield conv2d.case((1, 9, 10, c), 4, (3, 3), dilation=(2, 3), zero_points=points, seed=i)
        yield conv2d.case((1, 4, 3, c), 6, (7, 5), stride=(1 + i % 3, 1), seed=i, bias=bool(i % 2))
    for outputs in (63, 64, 65, 67, 130):  # blocks of 64 channels
        yield conv2d.case((1, 4, 4, 3), outputs, (3, 3), seed=outputs)
