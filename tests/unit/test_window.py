"""Windows and paddings against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeq.errors import BadInput, Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.window import LIMIT, Window, onnx_pads, onnx_pair, same_padding, window

SIDE = st.integers(1, 9)
SMALL = st.integers(1, 4)


@given(SIDE, SMALL, SMALL, SMALL)
def test_same_padding_gives_a_window_for_each_stride(n: int, k: int, stride: int, dilation: int) -> None:
    before, after = same_padding(n, k, stride, dilation)
    assert 0 <= after - before <= 1
    win = Window((k, 1), (stride, 1), (dilation, 1), (before, 0), (after, 0))
    assert win.output_size(n, 1) == (-(-n // stride), 1)
    span = (k - 1) * dilation + 1
    if before + after:  # no more than is needed
        assert (-(-n // stride) - 1) * stride + span == n + before + after


@given(SIDE, SIDE, SMALL, SMALL, SMALL, SMALL, st.tuples(*[st.integers(0, 3)] * 4))
def test_patches_are_what_loops_find(
    h: int, w: int, kh: int, kw: int, stride: int, dilation: int, pads: tuple[int, int, int, int]
) -> None:
    top, left, bottom, right = pads
    win = Window((kh, kw), (stride, stride + 1), (dilation, 1), (top, left), (bottom, right))
    if h + top + bottom < (kh - 1) * dilation + 1 or w + left + right < kw:
        with pytest.raises(BadInput, match="does not fit"):
            win.output_size(h, w)
        return
    x = np.arange(2 * h * w * 2).reshape(2, h, w, 2)
    found = win.patches(x, fill=-1)
    for index in np.ndindex(*found.shape):
        assert found[index] == _tap(x, win, index)


def _tap(x: NDArray[np.int64], win: Window, index: tuple[int, ...]) -> int:
    n, i, j, r, k, c = index
    y = i * win.stride[0] + r * win.dilation[0] - win.before[0]
    z = j * win.stride[1] + k * win.dilation[1] - win.before[1]
    inside = 0 <= y < x.shape[1] and 0 <= z < x.shape[2]
    return int(x[n, y, z, c]) if inside else -1


@given(SIDE, SMALL, SMALL)
def test_the_last_window_is_the_last_that_fits(n: int, k: int, stride: int) -> None:
    if k <= n:
        (out, _) = Window((k, 1), (stride, 1), (1, 1), (0, 0), (0, 0)).output_size(n, 1)
        assert (out - 1) * stride + k <= n < out * stride + k


def pool(**attrs: object) -> tuple[Graph, Node]:
    quant = QuantParams.per_tensor(0.1, 0)
    node = Node("MAX_POOL_2D", "pool", ("x",), ("y",), {"stride_h": 2, "stride_w": 2, "padding": "VALID", **attrs})
    tensors = {n: Tensor(n, (1, 7, 7, 1), "int8", quant) for n in ("x", "y")}
    return Graph("pool", tensors, (node,), ("x",), ("y",)), node


def test_a_folded_pad_adds_to_the_window() -> None:
    graph, node = pool(padding="SAME", extra_padding=(1, 2, 3, 4))
    win = window(graph, node, (3, 3))
    assert (win.before, win.after) == ((2, 3), (4, 5))


@pytest.mark.parametrize(
    "attrs",
    [
        {"padding": "7"},
        {"stride_h": 0},
        {"stride_w": LIMIT + 1},
        {"dilation_h": -1},
        {"extra_padding": (LIMIT + 1, 0, 0, 0)},
    ],
)
def test_an_impossible_window_is_refused(attrs: dict[str, object]) -> None:
    graph, node = pool(**attrs)
    with pytest.raises(Unsupported, match="pool"):
        window(graph, node, (3, 3))


def conv(**attrs: object) -> Node:
    return Node("Conv", "conv", ("x", "w"), ("y",), attrs)


def test_onnx_paddings() -> None:
    shape, size = (1, 8, 8, 3), (3, 3)
    assert onnx_pads(conv(pads=[0, 1, 2, 3]), shape, size) == (0, 1, 2, 3)
    assert onnx_pads(conv(), shape, size) == (0, 0, 0, 0)
    assert onnx_pads(conv(auto_pad="VALID", pads=[1, 1, 1, 1]), shape, size) == (0, 0, 0, 0)
    assert onnx_pads(conv(auto_pad="SAME_UPPER", strides=[2, 2]), shape, size) == (0, 0, 1, 1)
    assert onnx_pads(conv(auto_pad="SAME_LOWER", strides=[2, 2]), shape, size) == (1, 1, 0, 0)


@pytest.mark.parametrize("attrs", [{"auto_pad": "SOME"}, {"pads": [1, 1]}, {"pads": [-1, 0, 0, 0]}])
def test_impossible_onnx_paddings_are_refused(attrs: dict[str, object]) -> None:
    with pytest.raises(Unsupported, match="conv"):
        onnx_pads(conv(**attrs), (1, 8, 8, 3), (3, 3))


def test_an_onnx_attribute_of_two_numbers() -> None:
    assert onnx_pair(conv(strides=[2, 3]), "strides") == (2, 3)
    assert onnx_pair(conv(), "strides") == (1, 1)
    for wrong in ([2], [1, 2, 3], [0, 1]):
        with pytest.raises(Unsupported):
            onnx_pair(conv(strides=wrong), "strides")
