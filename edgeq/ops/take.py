"""Operators whose every output element is one of the input: a table of indices along height, width and channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops.operator import Array, Locate, Operator, Step, pack_i32

Tables = Callable[
    [Graph, Node], Mapping[int, NDArray[np.int64]]
]  # by axis: what each element of the output is taken from


def taker(tables: Tables, **facts: Any) -> Operator:
    """The operator that takes by these tables; axes without one stay as they are."""

    def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> Array:
        out = inputs[0]
        for axis, indices in tables(graph, node).items():
            out = np.take(out, indices, axis=axis)
        return out

    def step(graph: Graph, node: Node, locate: Locate) -> Step:
        """plan-format.md#take_s8."""
        shape, given = graph.input(node, 0).shape, tables(graph, node)
        if len(shape) > 4:
            raise Unsupported(f"{node.op} of {len(shape)} axes", where=f"node {node.name}")
        whole = [given.get(axis, np.arange(n)) for axis, n in enumerate(shape)][1:]
        rows, columns, channels = [np.zeros(1, np.int64)] * (3 - len(whole)) + whole
        if len(shape) - 1 not in given:
            channels = np.zeros(0, np.int64)  # no table: all of them, in their order
        return Step("take_s8", pack_i32(*rows.tolist(), *columns.tolist(), *channels.tolist()))

    return Operator(reference=reference, step=step, **facts)
