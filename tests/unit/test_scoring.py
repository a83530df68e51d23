"""Answers of the integer network over a whole set: those of the reference, in order, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq import ops
from edgeq.ops import fully_connected
from edgeq.pipeline.progress import Quiet
from edgeq.pipeline.scoring import BATCH, integer_answers, integer_top1


class Fractions(Quiet):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def update(self, fraction: float, text: str = "") -> None:
        self.seen.append(fraction)


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH, 3 * BATCH + 1])
def test_the_answers_are_the_references_in_order(count: int) -> None:
    graph = next(iter(fully_connected.OPERATOR.cases()))
    shape = graph.tensor(graph.inputs[0]).shape[1:]
    inputs = np.random.default_rng(count).integers(-128, 128, (count, *shape), dtype=np.int8)
    outputs = ops.run(graph, {graph.inputs[0]: inputs})[graph.outputs[0]].reshape(count, -1)
    progress = Fractions()
    answers = integer_answers(graph, inputs, progress)
    np.testing.assert_array_equal(answers, outputs.argmax(1))
    assert progress.seen == sorted(progress.seen) and progress.seen[-1] == 1
    labels = answers.copy()
    labels[0] += 1
    assert integer_top1(graph, inputs, labels, Quiet()) == (count - 1) / count
