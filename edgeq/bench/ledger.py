"""The equality ledger: every hop from torch to the board, compared tensor by tensor.

From the integer reference on, engines are compared on the same inputs and must give equal bytes, TFLite Micro being the
oracle. Hops in front of it round in floating point: there each layer is compared on equal inputs, at most one unit of
the last place apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeq import ops
from edgeq.graph import Graph

Values = NDArray[Any]  # int8, or the int32 that ARG_MAX writes
Trace = Mapping[str, Values]  # activations by name, [inputs, ...] in NHWC
HASH_BYTES = 8
LAYER_LSB = 1  # allowed between float hops and the integer reference, per layer on equal inputs


@dataclass(frozen=True)
class FirstDifference:
    """Where two engines part: the tensor, the index [input, ...] in it, and both values."""

    tensor: str
    index: tuple[int, ...]
    expected: int
    got: int


@dataclass(frozen=True)
class HopResult:
    """One comparison, of `tensors` tensors on each of `inputs` inputs; `max_lsb` is None where nothing was computed."""

    name: str
    status: Literal["equal", "within", "differs", "not run"]
    tensors: int = 0
    inputs: int = 0
    max_lsb: int | None = None
    allowed_lsb: int = 0
    first_difference: FirstDifference | None = None
    note: str = ""

    @property
    def equal(self) -> bool:
        """Whether all bytes are equal."""
        return self.status == "equal"

    @property
    def failed(self) -> bool:
        """Whether the difference is larger than allowed."""
        return self.status == "differs"


def not_run(name: str, why: str) -> HopResult:
    """A hop that could not be made, which is never called equal."""
    return HopResult(name, "not run", note=why)


def compare_traces(name: str, graph: Graph, expected: Trace, found: Trace) -> HopResult:
    """Two engines run freely on the same inputs: every activation that both give must be equal."""
    order = [n for n in _order(graph) if n in expected and n in found]
    return _judge(name, ((n, expected[n], found[n]) for n in order), allowed=0)


def compare_layers(name: str, graph: Graph, found: Trace, *, allowed: int = LAYER_LSB) -> HopResult:
    """Another engine's free run against the integer reference, layer by layer on that engine's own inputs.

    An activation that `found` lacks (an inserted PAD, a view) is computed by the reference from those it has. The note
    names the operators that are not equal.
    """
    values: dict[str, Values] = {n: found[n] for n in graph.inputs}
    pairs = []
    apart: dict[str, int] = {}
    for node in graph.nodes:
        for output, computed in ops.evaluate(graph, node, values).items():
            values[output] = computed
            if output in found:
                pairs.append((output, computed, found[output]))
                values[output] = found[output]
                if (lsb := _lsb(computed, found[output])) > 0:
                    apart[node.op] = max(apart.get(node.op, 0), lsb)
    note = ", ".join(f"{op} by {lsb}" for op, lsb in sorted(apart.items()))
    return _judge(name, pairs, allowed=allowed, note=note)


@dataclass(frozen=True)
class BoardTrace:
    """An engine behind the link: the tensor that each step completes, each input's hashes of them, a way to the bytes.

    None stands for a step that writes a part of a tensor and leaves the rest to a later one; its hash means nothing.
    `fetch(input, step)` runs that input again and gets a step's output.
    """

    tensors: tuple[str | None, ...]
    hashes: tuple[tuple[bytes, ...], ...]
    fetch: Callable[[int, int], bytes]


def compare_board(name: str, found: BoardTrace, expected: Trace) -> HopResult:
    """A board against arrays: the hashes first, bytes only where one differs."""
    complete = [(step, tensor) for step, tensor in enumerate(found.tensors) if tensor is not None]
    for i, row in enumerate(found.hashes):
        if len(row) != len(found.tensors):
            return HopResult(
                name, "differs", len(complete), i + 1, note=f"{len(row)} steps ran, not {len(found.tensors)}"
            )
        for step, tensor in complete:
            if row[step] != digest(expected[tensor][i]):
                return _judge_bytes(name, len(complete), i, tensor, expected[tensor][i], found.fetch(i, step))
    return HopResult(name, "equal", len(complete), len(found.hashes), 0)


def compare_engines(name: str, graph: Graph, first: BoardTrace, second: BoardTrace) -> HopResult:
    """Two engines of one board on the same inputs: every tensor that both write."""
    common = [
        (tensor, step, second.tensors.index(tensor))
        for step, tensor in enumerate(first.tensors)
        if tensor is not None and tensor in second.tensors
    ]
    if not common:
        return not_run(name, "the two have no tensor in common")
    for i, (a, b) in enumerate(zip(first.hashes, second.hashes, strict=True)):
        for tensor, in_first, in_second in common:
            if a[in_first] != b[in_second]:
                kind = graph.tensor(tensor)
                wanted = np.frombuffer(first.fetch(i, in_first), kind.dtype).reshape(kind.shape[1:])
                return _judge_bytes(name, len(common), i, tensor, wanted, second.fetch(i, in_second))
    return HopResult(name, "equal", len(common), len(first.hashes), 0)


def _judge_bytes(name: str, tensors: int, index: int, tensor: str, wanted: Values, data: bytes) -> HopResult:
    """Where the bytes differ of a tensor whose hash does."""
    if len(data) != wanted.nbytes:
        return HopResult(name, "differs", tensors, index + 1, note=f"{tensor} has {len(data)} bytes")
    found = np.frombuffer(data, wanted.dtype).reshape(wanted.shape)
    where = _first_difference(tensor, wanted[None], found[None])
    if where is not None:
        where = replace(where, index=(index, *where.index[1:]))
    note = "" if where else "a hash differs, the bytes do not: the board contradicts itself"
    return HopResult(name, "differs", tensors, index + 1, _lsb(wanted, found), 0, where, note)


def digest(values: Values) -> bytes:
    """What the board answers for a tensor: the first bytes of SHA-256 over its bytes in NHWC order."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).digest()[:HASH_BYTES]


def _order(graph: Graph) -> list[str]:
    return [output for node in graph.nodes for output in node.outputs]


def _lsb(a: Values, b: Values) -> int:
    return int(np.abs(a.astype(np.int64) - b).max(initial=0))


def _judge(name: str, pairs: Iterable[tuple[str, Values, Values]], *, allowed: int, note: str = "") -> HopResult:
    tensors, inputs, worst = 0, 0, 0
    first: FirstDifference | None = None
    for tensor, expected, found in pairs:
        tensors += 1
        inputs = len(expected)
        worst = max(worst, _lsb(expected, found))
        if first is None:
            first = _first_difference(tensor, expected, found, beyond=allowed)
    if not tensors:
        return not_run(name, "the two have no tensor in common")
    status: Literal["equal", "within", "differs"] = (
        "equal" if worst == 0 else "within" if worst <= allowed else "differs"
    )
    return HopResult(name, status, tensors, inputs, worst, allowed, first, note)


def _first_difference(tensor: str, expected: Values, found: Values, beyond: int = 0) -> FirstDifference | None:
    apart = np.argwhere(np.abs(expected.astype(np.int64) - found) > beyond)
    if not len(apart):
        return None
    index = tuple(int(i) for i in apart[0])
    return FirstDifference(tensor, index, int(expected[index]), int(found[index]))
