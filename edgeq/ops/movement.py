"""Data movement: which elements go where, as numpy views, from which the reference and the step follow alike.

A copy is exact, so what is moved keeps scale and zero point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.errors import Unsupported
from edgeq.graph import Graph, Node
from edgeq.ops.operator import Array, Locate, Operator, Step, pack_i32

LOOPS = 4  # of the kernel (docs/plan-format.md)

View = Callable[[Array], Array]


@dataclass(frozen=True)
class Move:
    """A part of the tensor `source` becomes a part of the tensor `target`; both views have one shape.

    They take arrays with any leading batch size, which they leave alone.
    """

    source: str
    target: str
    pick: View
    place: View = lambda whole: whole


Moves = Callable[[Graph, Node], Sequence[Move]]


def mover(moves: Moves, **facts: Any) -> Operator:
    """The operator that does these moves."""

    def reference(graph: Graph, node: Node, inputs: Sequence[Array]) -> list[Array]:
        given = dict(zip(node.inputs, inputs, strict=True))
        done = moves(graph, node)
        batch = max(len(given[move.source]) for move in done)
        made = {name: np.empty((batch, *graph.tensor(name).shape[1:]), np.int8) for name in node.outputs}
        for move in done:
            move.place(made[move.target])[...] = move.pick(given[move.source])
        return [made[name] for name in node.outputs]

    def step(graph: Graph, node: Node, locate: Locate) -> list[Step]:
        done = moves(graph, node)
        if len(done) == 1 and _keeps_every_byte(graph, done[0]):
            return []
        return [_copy(graph, node, move) for move in done]

    return Operator(reference=reference, step=step, **facts)


def axis_of(node: Node, axis: int, rank: int) -> int:
    """A TFLite axis from zero up; the batch cannot be moved."""
    found = axis + rank if axis < 0 else axis
    if not 0 < found < rank:
        raise Unsupported(f"{node.op} along axis {axis} of {rank}", where=f"node {node.name}")
    return found


def part(axis: int, start: int, stop: int) -> View:
    """The view of elements [start, stop) along `axis`."""
    return lambda whole: whole[(slice(None),) * axis + (slice(start, stop),)]


def _keeps_every_byte(graph: Graph, move: Move) -> bool:
    source, target = graph.tensor(move.source), graph.tensor(move.target)
    loops = _loops(graph, move)
    return not source.is_constant and source.bytes == target.bytes and loops == (0, 0, [(source.bytes, 1, 1)])


def _copy(graph: Graph, node: Node, move: Move) -> Step:
    """plan-format.md#copy_s8."""
    first, at, loops = _loops(graph, move)
    if len(loops) > LOOPS:
        raise Unsupported(f"{node.op} in {len(loops)} nested loops, more than {LOOPS}", where=f"node {node.name}")
    loops = [(1, 0, 0)] * (LOOPS - len(loops)) + loops
    return Step("copy_s8", pack_i32(first, at, *(v for loop in loops for v in loop)), (move.source,), move.target)


def _loops(graph: Graph, move: Move) -> tuple[int, int, list[tuple[int, int, int]]]:
    """(first element read, first written, loops of (count, elements between two reads, and between two writes)).

    What numpy says of the two views of one batch; loops of one turn are left out and neighbours that continue each
    other are one.
    """
    source, target = (np.empty(graph.tensor(n).shape, np.int8) for n in (move.source, move.target))
    read, written = move.pick(source), move.place(target)
    if read.shape != written.shape or not (np.may_share_memory(read, source) and np.may_share_memory(written, target)):
        raise AssertionError(f"the views of {move.source} and {move.target} are none")
    loops: list[tuple[int, int, int]] = []
    for count, near, far in zip(read.shape, read.strides, written.strides, strict=True):
        if count == 1:
            continue
        if loops and loops[-1][1:] == (count * near, count * far):
            count *= loops.pop()[0]
        loops.append((count, near, far))
    return _distance(source, read), _distance(target, written), loops or [(1, 1, 1)]


def _distance(whole: Array, view: Array) -> int:
    return int(view.__array_interface__["data"][0]) - int(whole.__array_interface__["data"][0])
