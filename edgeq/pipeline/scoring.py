"""What the integer network answers over a whole data set: the integer reference, batch by batch, on every core."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from edgeq import ops
from edgeq.graph import Graph
from edgeq.pipeline.progress import Progress

# Samples at once: few enough that a layer's arrays stay in a core's cache.
BATCH = 8


def integer_answers(graph: Graph, inputs: NDArray[np.int8], progress: Progress) -> NDArray[np.int64]:
    """The class of each of the int8 inputs [N, H, W, C]: the highest score's, the first of several."""

    def answers(at: int) -> NDArray[np.int64]:
        batch = inputs[at : at + BATCH]
        scores = ops.run(graph, {graph.inputs[0]: batch})[graph.outputs[0]].reshape(len(batch), -1)
        if graph.tensor(graph.outputs[0]).dtype == "int32":  # ARG_MAX gives the class itself
            return scores[:, 0].astype(np.int64)
        return np.asarray(scores.argmax(axis=1), np.int64)

    found: list[NDArray[np.int64]] = []
    # Several batches at once, each on one core, beat a matrix product on several: its threads wait for each other.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(answers, range(0, len(inputs), BATCH)):
            found.append(part)
            progress.update(min(len(found) * BATCH / len(inputs), 1.0))
    return np.concatenate(found)


def integer_top1(graph: Graph, inputs: NDArray[np.int8], labels: NDArray[np.int64], progress: Progress) -> float:
    """Share of int8 inputs [N, H, W, C] that the integer network gives their label."""
    return float((integer_answers(graph, inputs, progress) == labels).mean())
