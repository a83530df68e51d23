"""MIRROR_PAD: padding that repeats the input backwards, with its edge (SYMMETRIC) or without (REFLECT)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node, QuantParams, Tensor
from edgeq.ops.operator import constant_ints, require_int8, require_same_quantisation
from edgeq.ops.take import taker

_MODES = {"REFLECT": "reflect", "SYMMETRIC": "symmetric"}


def _amounts(graph: Graph, node: Node) -> list[tuple[int, int]]:
    """(before, after) of each axis; at most what there is to repeat."""
    shape, table, mode = graph.input(node, 0).shape, constant_ints(graph, node, 1), node.attrs["mirror"]
    pairs = list(zip(table[::2], table[1::2], strict=False))
    most = [n - (mode == "REFLECT") for n in shape]
    fits = len(table) == 2 * len(shape) and all(0 <= min(p) <= max(p) <= m for p, m in zip(pairs, most, strict=True))
    if mode not in _MODES or not fits or any(pairs[0]):
        raise Unsupported(f"MIRROR_PAD ({mode}) of {list(shape)} by {table}", where=f"node {node.name}")
    return pairs


def output_shape(graph: Graph, node: Node) -> tuple[int, ...]:
    """Each axis with its amounts."""
    sizes = zip(graph.input(node, 0).shape, _amounts(graph, node), strict=True)
    return tuple(n + before + after for n, (before, after) in sizes)


def check(graph: Graph, node: Node) -> None:
    """int8, one quantisation, no more than there is to repeat."""
    x, y = graph.input(node, 0), graph.output(node)
    require_int8(graph, node, x, y)
    require_same_quantisation(graph, node, x, y)
    _amounts(graph, node)


def tables(graph: Graph, node: Node) -> dict[int, NDArray[np.int64]]:
    """The padded indices of each axis that is padded."""
    mode, pairs = _MODES[node.attrs["mirror"]], _amounts(graph, node)
    return {
        axis: np.pad(np.arange(n), pair, mode=mode)  # type: ignore[call-overload]  # the mode is one of two
        for axis, (n, pair) in enumerate(zip(graph.input(node, 0).shape, pairs, strict=True))
        if any(pair)
    }


def _case(shape: tuple[int, ...], amounts: list[list[int]], mode: str) -> Graph:
    quant = QuantParams.per_tensor(0.1, 4)
    out = tuple(n + sum(pair) for n, pair in zip(shape, amounts, strict=True))
    tensors = [
        Tensor("x", shape, "int8", quant),
        Tensor("amounts", (len(shape), 2), "int32", None, np.array(amounts, np.int32)),
        Tensor("y", out, "int8", quant),
    ]
    node = Node("MIRROR_PAD", "pad", ("x", "amounts"), ("y",), {"mirror": mode})
    return Graph("mirror_pad", {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def cases() -> Iterable[Graph]:
    """Both modes, as much as there is, channels, ranks."""
    yield _case((1, 4, 5, 3), [[0, 0], [1, 2], [3, 0], [0, 0]], "REFLECT")
    yield _case((1, 4, 5, 3), [[0, 0], [1, 2], [3, 0], [0, 0]], "SYMMETRIC")
    yield _case((1, 3, 2, 4), [[0, 0], [2, 2], [1, 1], [3, 2]], "REFLECT")
    yield _case((1, 2, 7), [[0, 0], [0, 0], [7, 6]], "SYMMETRIC")


OPERATOR = taker(
    tables, name="MIRROR_PAD", code=100, options="MirrorPadOptions", fields={"mirror": "mode"}, version=2,
    output_shape=output_shape, check=check, cases=cases,
)  # fmt: skip
