"""Sliding windows: the geometry that convolution and pooling share.

All sizes are (height, width); arrays are NHWC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node

LIMIT = 1024  # of a window's size, stride, dilation and padding, each (docs/plan-format.md)


@dataclass(frozen=True)
class Window:
    """A window's size, stride, dilation and the padding in front and behind: (top, left), (bottom, right)."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """How often the window fits: (output height, output width)."""
        out = []
        for n, k, s, d, b, a in zip(
            (height, width), self.size, self.stride, self.dilation, self.before, self.after, strict=True
        ):
            if min(k, s, d) < 1 or min(b, a) < 0:
                raise BadInput(f"window {self} has a size, stride or dilation below one, or a negative padding")
            span = (k - 1) * d + 1
            if n + b + a < span:
                raise BadInput(f"a window spanning {span} does not fit into {n} with padding {b} and {a}")
            out.append((n + b + a - span) // s + 1)
        return out[0], out[1]

    def patches(self, x: NDArray[Any], fill: int) -> NDArray[Any]:
        """The windows of x [N,H,W,C], padded with `fill`: [N, out_h, out_w, k_h, k_w, C], a view where possible."""
        height, width = self.output_size(x.shape[1], x.shape[2])
        (top, left), (bottom, right) = self.before, self.after
        if any((top, left, bottom, right)):
            x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        (kh, kw), (sh, sw), (dh, dw) = self.size, self.stride, self.dilation
        n, _, _, c = x.shape
        bn, bh, bw, bc = x.strides
        return np.lib.stride_tricks.as_strided(
            x, (n, height, width, kh, kw, c), (bn, bh * sh, bw * sw, bh * dh, bw * dw, bc), writeable=False
        )


def same_padding(n: int, k: int, stride: int, dilation: int) -> tuple[int, int]:
    """TFLite's SAME padding along one side: (before, after); the odd one goes behind."""
    out = -(-n // stride)
    total = max(0, (out - 1) * stride + (k - 1) * dilation + 1 - n)
    return total // 2, total - total // 2


def window(graph: Graph, node: Node, size: tuple[int, int]) -> Window:
    """The window of a TFLite node with attributes stride_h, stride_w, dilation_h, dilation_w and padding.

    `padding` is SAME or VALID; a folded PAD adds its own amounts as `extra_padding` (top, left, bottom, right).
    """
    attrs: Mapping[str, Any] = node.attrs
    stride = (int(attrs["stride_h"]), int(attrs["stride_w"]))
    dilation = (int(attrs.get("dilation_h", 1)), int(attrs.get("dilation_w", 1)))
    shape = graph.input(node, 0).shape
    if len(shape) != 4:
        raise Unsupported(f"{node.op} needs a rank 4 input, not {list(shape)}", where=f"node {node.name}")
    if not 1 <= min(*size, *stride, *dilation) <= max(*size, *stride, *dilation) <= LIMIT:
        raise Unsupported(
            f"a window {size} with stride {stride} and dilation {dilation}; each is 1 to {LIMIT}",
            where=f"node {node.name}",
        )
    if attrs["padding"] not in ("SAME", "VALID"):
        raise Unsupported(f"the padding {attrs['padding']}", where=f"node {node.name}")
    before, after = (0, 0), (0, 0)
    if attrs["padding"] == "SAME":
        (top, bottom), (left, right) = (same_padding(shape[i + 1], size[i], stride[i], dilation[i]) for i in (0, 1))
        before, after = (top, left), (bottom, right)
    if "extra_padding" in attrs:
        top, left, bottom, right = attrs["extra_padding"]
        before, after = (before[0] + top, before[1] + left), (after[0] + bottom, after[1] + right)
    if max(*before, *after) > LIMIT:
        raise Unsupported(f"a padding of {(*before, *after)}, more than {LIMIT}", where=f"node {node.name}")
    return Window(size, stride, dilation, before, after)


def window_of(graph: Graph, node: Node) -> Window:
    """The window of a node whose weights, input 1, are [., h, w, .]: of CONV_2D and DEPTHWISE_CONV_2D."""
    weights = graph.input(node, 1)
    return window(graph, node, (weights.shape[1], weights.shape[2]))


def onnx_pads(node: Node, shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The padding of an ONNX Conv or pool over an NHWC `shape`: (top, left, bottom, right)."""
    auto = node.attrs.get("auto_pad", "NOTSET")
    stride, dilation = onnx_pair(node, "strides"), onnx_pair(node, "dilations")
    if auto in ("NOTSET", "VALID"):
        pads = tuple(int(p) for p in node.attrs.get("pads", (0, 0, 0, 0))) if auto == "NOTSET" else (0, 0, 0, 0)
        if len(pads) != 4 or min(pads) < 0:
            raise Unsupported(f"pads {list(pads)} are not four amounts from zero up", where=f"node {node.name}")
        return pads[0], pads[1], pads[2], pads[3]
    sides = [same_padding(shape[i + 1], size[i], stride[i], dilation[i]) for i in (0, 1)]
    if auto == "SAME_LOWER":
        sides = [(b, a) for a, b in sides]
    elif auto != "SAME_UPPER":
        raise Unsupported(f"auto_pad {auto} is not known", where=f"node {node.name}")
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def onnx_pair(node: Node, key: str) -> tuple[int, int]:
    """A two-dimensional ONNX attribute that defaults to ones."""
    pair = tuple(int(v) for v in node.attrs.get(key, (1, 1)))
    if len(pair) != 2 or min(pair) < 1:
        raise Unsupported(f"{key} {list(pair)} is not two-dimensional", where=f"node {node.name}")
    return pair[0], pair[1]
