"""The ledger's comparisons of engines behind the link: hashes first, bytes where one differs."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import every_kernel

from edgeq import ops
from edgeq.bench.ledger import BoardTrace, HopResult, Trace, compare_board, compare_engines, digest

GRAPH = every_kernel()
INPUTS = np.random.default_rng(5).integers(-128, 128, (3, *GRAPH.tensor("x").shape[1:]), dtype=np.int8)
REFERENCE = ops.run(GRAPH, {"x": INPUTS})
WRITTEN = tuple(node.outputs[0] for node in GRAPH.nodes)


def board(tensors: tuple[str, ...], values: Trace) -> BoardTrace:
    """An engine that gives `values`."""
    rows = tuple(tuple(digest(values[t][i]) for t in tensors) for i in range(len(INPUTS)))
    return BoardTrace(tensors, rows, lambda i, step: values[tensors[step]][i].tobytes())


def changed(tensor: str, index: int) -> Trace:
    """The reference with the last byte of one tensor of one input changed by 1."""
    values = {name: array.copy() for name, array in REFERENCE.items()}
    flat = values[tensor][index].reshape(-1)
    flat[-1] ^= 1
    return values


def test_equal_engines() -> None:
    fewer = WRITTEN[::2]
    assert compare_board("a", board(WRITTEN, REFERENCE), REFERENCE) == HopResult("a", "equal", len(WRITTEN), 3, 0)
    both = compare_engines("b", GRAPH, board(fewer, REFERENCE), board(WRITTEN, REFERENCE))
    assert both == HopResult("b", "equal", len(fewer), 3, 0)


@pytest.mark.parametrize("tensor", WRITTEN)
def test_the_first_tensor_that_differs_is_named(tensor: str) -> None:
    wrong = changed(tensor, 1)
    last = tuple(n - 1 for n in REFERENCE[tensor].shape[1:])
    for hop in (
        compare_board("a", board(WRITTEN, wrong), REFERENCE),
        compare_engines("b", GRAPH, board(WRITTEN[::-1], REFERENCE), board(WRITTEN, wrong)),
    ):
        assert (hop.status, hop.inputs, hop.max_lsb) == ("differs", 2, 1)
        assert hop.first_difference is not None
        assert hop.first_difference.tensor == tensor
        assert hop.first_difference.index == (1, *last)
        assert hop.first_difference.expected == REFERENCE[tensor][1].reshape(-1)[-1]


def test_a_tensor_that_one_engine_lacks_is_no_difference() -> None:
    without = tuple(t for t in WRITTEN if t != WRITTEN[2])
    assert compare_engines("b", GRAPH, board(without, REFERENCE), board(WRITTEN, changed(WRITTEN[2], 0))).equal


def test_engines_without_a_common_tensor_are_never_equal() -> None:
    hop = compare_engines("b", GRAPH, board(WRITTEN[:1], REFERENCE), board(WRITTEN[1:2], REFERENCE))
    assert hop.status == "not run" and not hop.equal


def test_a_board_that_contradicts_itself() -> None:
    right = board(WRITTEN, REFERENCE)
    lies = BoardTrace(WRITTEN, tuple((bytes(8),) * len(WRITTEN) for _ in INPUTS), right.fetch)
    hop = compare_board("a", lies, REFERENCE)
    assert hop.failed and "contradicts itself" in hop.note
    short = BoardTrace(WRITTEN, right.hashes, lambda i, step: b"")
    assert compare_board("a", short, changed(WRITTEN[0], 0)).note.endswith("has 0 bytes")
    fewer = BoardTrace(WRITTEN, tuple(row[:-1] for row in right.hashes), right.fetch)
    assert f"{len(WRITTEN) - 1} steps ran" in compare_board("a", fewer, REFERENCE).note


def test_the_hash_of_a_part_means_nothing() -> None:
    """A step that leaves the rest of its tensor to a later one is not compared, the one that completes it is."""
    parts: tuple[str | None, ...] = (None, *WRITTEN)
    right = board(WRITTEN, REFERENCE)

    def begun(found: BoardTrace) -> BoardTrace:
        return BoardTrace(
            parts, tuple((bytes(8), *row) for row in found.hashes), lambda i, step: found.fetch(i, step - 1)
        )

    assert compare_board("a", begun(right), REFERENCE) == HopResult("a", "equal", len(WRITTEN), 3, 0)
    assert compare_engines("b", GRAPH, begun(right), right) == HopResult("b", "equal", len(WRITTEN), 3, 0)
    hop = compare_board("a", begun(board(WRITTEN, changed(WRITTEN[-1], 2))), REFERENCE)
    assert hop.first_difference is not None and hop.first_difference.tensor == WRITTEN[-1]
