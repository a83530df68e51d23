"""Random graphs over all operators: integer reference, TFLite Micro and native engine, equal bytes of every tensor.

EDGEQ_FUZZ_GRAPHS says how many the slow tier runs, EDGEQ_FUZZ_FIRST with which seed it begins.
`tests/equality_fuzz.py` is the same from the command line.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from engine_host import EngineHost
from equality_fuzz import BATCH, Difference, differences, in_a_child, inputs_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import GROWERS, random_graph, random_graphs

from edgeq import ops
from edgeq.bench.oracles import has_tflm
from edgeq.graph import Graph
from edgeq.ops.numerics import quantize_multiplier
from edgeq.ops.weights import effective_scales

GRAPHS = int(os.environ.get("EDGEQ_FUZZ_GRAPHS", "2000"))
FIRST = int(os.environ.get("EDGEQ_FUZZ_FIRST", "0"))
PARTS = 8
needs_tflm = pytest.mark.skipif(not has_tflm(), reason="the TFLM wheel is Linux x86-64")


def test_every_operator_is_drawn_in_every_form() -> None:
    """The table has them all, and some hundred graphs show branches, dead ends, and multipliers at their ends."""
    assert set(GROWERS) == set(ops.OPS)
    seen: Counter[str] = Counter()
    shifts: list[int] = []
    for seed in range(300):
        graph = random_graph(Random(seed))
        seen.update(node.op for node in graph.nodes)
        readers = graph.consumers()
        written = [name for node in graph.nodes for name in node.outputs]
        seen["branch"] += any(len(readers.get(name, ())) > 1 for name in written)
        seen["dead end"] += any(name not in readers and name not in graph.outputs for name in written)
        seen["int32 output"] += graph.tensor(graph.outputs[0]).dtype == "int32"
        for node in graph.nodes:
            if node.op in ("CONV_2D", "FULLY_CONNECTED"):
                shifts += [
                    quantize_multiplier(s)[1] for s in effective_scales(graph, node, graph.input(node, 1).shape[0])
                ]
    assert min(seen[name] for name in (*ops.OPS, "branch", "dead end", "int32 output")) >= 5
    assert min(shifts) < -28 and max(shifts) > 25


def test_a_seed_names_a_graph_for_ever() -> None:
    first, again = (random_graph(Random(11)) for _ in range(2))
    assert first == again
    constants = {name: t.data.tobytes() for name, t in first.tensors.items() if t.data is not None}
    assert constants == {name: t.data.tobytes() for name, t in again.tensors.items() if t.data is not None}


@needs_tflm
def test_random_graphs_are_equal_everywhere(engine_host: EngineHost) -> None:
    seen: list[Graph] = []

    @settings(max_examples=10, suppress_health_check=list(HealthCheck))
    @given(st.lists(random_graphs(), min_size=5, max_size=5))
    def check(graphs: list[Graph]) -> None:
        assert not differences([(f"graph {i}", graph) for i, graph in enumerate(graphs)], engine_host)
        seen.extend(graphs)

    check()
    assert len(seen) >= 50


@needs_tflm
def test_a_wrong_result_is_found(engine_host: EngineHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """One integer of one operator of the reference one off, in one place: TFLite Micro is seen to differ there."""
    seed = next(s for s in range(100) if any(n.op == "MAX_POOL_2D" for n in random_graph(Random(s)).nodes))
    graph = random_graph(Random(seed))
    pool = next(node for node in graph.nodes if node.op == "MAX_POOL_2D")
    assert not differences([("g", graph)], engine_host)
    right = ops.OPS["MAX_POOL_2D"]

    def wrong(*arguments: object) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        values = np.array(right.reference(*arguments))  # type: ignore[arg-type]
        values.reshape(-1)[-1] ^= 1
        return values

    monkeypatch.setitem(ops.OPS, "MAX_POOL_2D", replace(right, reference=wrong))
    (found,) = differences([("g", graph)], engine_host)
    assert found.graph == "g" and f"TFLite Micro: MAX_POOL_2D {pool.outputs[0]} at [" in found.what


@needs_tflm
def test_a_graph_that_ends_the_process_is_named(engine_host: EngineHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def aborts(graph: Graph) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        if len(graph.nodes) == len(random_graph(Random(1)).nodes):
            os.kill(os.getpid(), signal.SIGKILL)
        return inputs_of(graph)

    sizes = [len(random_graph(Random(seed)).nodes) for seed in range(3)]
    monkeypatch.setattr("equality_fuzz.inputs_of", aborts)
    expected = [Difference(f"seed {seed}", "ended by SIGKILL") for seed in range(3) if sizes[seed] == sizes[1]]
    assert in_a_child(range(3), engine_host) == expected


@needs_tflm
@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_many_random_graphs_are_equal_everywhere(part: int, engine_host: EngineHost) -> None:
    seeds = range(FIRST + part, FIRST + GRAPHS, PARTS)
    found = [d for at in range(0, len(seeds), BATCH) for d in in_a_child(seeds[at : at + BATCH], engine_host)]
    assert not found, "\n".join(map(str, found))
