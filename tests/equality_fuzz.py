"""Random graphs through the integer reference, TFLite Micro and the native engine: equal bytes of every tensor.

    python tests/equality_fuzz.py --graphs 100000 [--first SEED]

prints a line for each graph whose bytes differ, and how far it is; ends with 1 if there was one. A graph is its seed
(`random_graphs.py`). Children do the work, some graphs each: one that TFLite Micro ends is a difference of that graph.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np
from engine_host import EngineHost, Planned, compile_engine_host
from numpy.typing import NDArray
from random_graphs import random_graph

from edgeq import ops
from edgeq.bench.oracles import tflm_trace
from edgeq.convert import file_layout, read_tflite, write_tflite
from edgeq.errors import EdgeqError
from edgeq.graph import Graph, Node, to_text
from edgeq.images.model import ModelImage, write_model_image
from edgeq.ops import Step
from edgeq.plan import Target, build_plan, decode_plan, encode_plan
from edgeq.plan.variants import VARIANTS
from edgeq.plan.variants.variant import Variant

SAMPLES = 3
MAC16 = Target(mac16=True, scratch_bytes=96 << 10)
BATCH = 50  # graphs that one child checks, and one process of the engine runs

Values = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Difference:
    """The first of a graph: where the bytes part, or what went wrong."""

    graph: str
    what: str

    def __str__(self) -> str:
        return f"{self.graph}: {self.what}"


@dataclass(frozen=True)
class Ready:
    """A graph with what the reference says of it, and its plans: plain kernels, and every variant that can run."""

    name: str
    graph: Graph
    inputs: NDArray[np.int8]
    expected: Values
    plans: tuple[Planned, Planned]


def seeded(seeds: Iterable[int]) -> Iterator[tuple[str, Graph]]:
    """The graphs of these seeds, named by them."""
    for seed in seeds:
        yield f"seed {seed}", random_graph(Random(seed))


def differences(graphs: Iterable[tuple[str, Graph]], engine: EngineHost) -> list[Difference]:
    """Of each graph the first difference, if it has one. The engine runs them all in one process."""
    found: list[Difference] = []
    ready: list[Ready] = []
    for name, graph in graphs:
        try:
            ready.append(prepared(name, graph))
        except (AssertionError, EdgeqError) as e:
            found.append(Difference(name, str(e)))
    batch = [(plan, r.inputs) for r in ready for plan in r.plans]
    answers = iter(engine.run(batch))
    for r in ready:
        for kernels in ("plain", "variant"):
            if what := _first_difference(r.graph, r.expected, next(answers)):
                found.append(Difference(r.name, f"native, {kernels} kernels: {what}"))
                break
    return found


def prepared(name: str, made: Graph) -> Ready:
    """Raises AssertionError where TFLite Micro or a round trip differs."""
    data = write_tflite(made)
    graph, file = read_tflite(data), file_layout(data)
    assert to_text(graph) == to_text(made) and write_tflite(graph) == data, "the .tflite read back differs"
    inputs = inputs_of(graph)
    expected = ops.run(graph, {"x": inputs})
    what = _first_difference(graph, expected, tflm_trace(data, graph, file, inputs))
    assert not what, f"TFLite Micro: {what}"
    with mock.patch("edgeq.plan.build.choose", _adventurous):
        plans = [build_plan(graph, file), build_plan(graph, file, MAC16)]
    for plan in plans:
        assert encode_plan(decode_plan(encode_plan(plan))) == encode_plan(plan), "the plan read back differs"
    images = [write_model_image(ModelImage("fuzz", encode_plan(plan), data)) for plan in plans]
    first, second = (Planned(graph, plan, image) for plan, image in zip(plans, images, strict=True))
    return Ready(name, graph, inputs, expected, (first, second))


def _adventurous(graph: Graph, node: Node, step: Step, target: Target) -> Variant:
    """Another kernel than the plain one wherever one can run, whatever it costs; which of several, by the size of y."""
    offered = [variant for offer in VARIANTS.get(step.kernel, ()) for variant in offer(graph, node, step, target)]
    others = [variant for variant in offered if variant.step.kernel != step.kernel]
    return others[graph.output(node).elements % len(others)] if others else Variant(step, 0, 0)


def inputs_of(graph: Graph, samples: int = SAMPLES) -> NDArray[np.int8]:
    """Random ones, and the ends of int8 in turns."""
    shape = graph.tensor("x").shape[1:]
    values = np.random.default_rng(graph.tensor("x").elements).integers(-128, 128, (samples, *shape), dtype=np.int8)
    values[-1] = np.resize(np.array([-128, 127, 127, -128, -128], np.int8), shape)
    return values


def _first_difference(graph: Graph, expected: Values, found: Values) -> str:
    """In the order of the graph; empty where all is equal."""
    for node in graph.nodes:
        for name in node.outputs:
            if name not in found:
                continue  # of the native engine: a view, or a PAD that is folded
            a, b = expected[name], found[name]
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"{node.op} {name} is {b.dtype}{list(b.shape)}, not {a.dtype}{list(a.shape)}"
            if not np.array_equal(a, b):
                index = tuple(int(i) for i in np.argwhere(a != b)[0])
                return f"{node.op} {name} at {list(index)} is {b[index]}, not {a[index]}"
    return ""


# Many


def in_a_child(seeds: Sequence[int], engine: EngineHost) -> list[Difference]:
    """`differences` of these seeds in a forked process; where that is ended, of the seeds one by one."""
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TFLite Micro's complaints
                for difference in differences(seeded(seeds), engine):
                    said.write(f"{difference.graph}\t{difference.what}\n")
                said.flush()
                status = 0
            finally:
                os._exit(status)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended == 0:
            said.seek(0)
            return [Difference(*line.rstrip("\n").split("\t", 1)) for line in said]
    if len(seeds) > 1:
        return [difference for seed in seeds for difference in in_a_child([seed], engine)]
    return [Difference(f"seed {seeds[0]}", f"ended by {signal.Signals(-ended).name}" if ended < 0 else "failed")]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--graphs", type=int, required=True)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    arguments = parser.parse_args()
    seeds, begun, bad = range(arguments.first, arguments.first + arguments.graphs), time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="edgeq-fuzz-") as folder:
        compile_engine_host(Path(folder) / "engine_host")
        engine = EngineHost(Path(folder) / "engine_host")
        for at in range(0, len(seeds), BATCH):
            found = in_a_child(seeds[at : at + BATCH], engine)
            bad += len(found)
            for difference in found:
                print(difference, flush=True)
            done = min(at + BATCH, len(seeds))
            if done % 1000 == 0 or done == len(seeds):
                print(f"{done:,} graphs, {bad} differ, {time.monotonic() - begun:.0f} s", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
