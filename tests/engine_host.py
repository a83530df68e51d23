"""The native engine under ASan and UBSan behind one call: model images and inputs in, every step's output out."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.convert import file_layout, write_tflite
from edgeq.graph import Graph, Tensor
from edgeq.images.model import ModelImage, write_model_image
from edgeq.plan import Plan, Target, build_plan, encode_plan
from edgeq.plan.build import ANY

TESTS = Path(__file__).parent
COMPONENTS = TESTS.parent / "firmware" / "components"
FLAGS = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-g", "-O1"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compile_engine_host(program: Path, extra: Sequence[str] = SANITIZE) -> None:
    """Builds `engine_host.c` with the three components it needs."""
    rooms = ("eq_check", "eq_kernels", "eq_engine")
    includes = [COMPONENTS / room for room in (*rooms, "eq_engine/include", "eq_hal")]
    sources = [TESTS / "firmware" / "engine_host.c", *(s for r in rooms for s in sorted((COMPONENTS / r).glob("*.c")))]
    subprocess.run(
        ["cc", *FLAGS, *extra, *(f"-I{i}" for i in includes), *map(str, sources), "-o", str(program)], check=True
    )


@dataclass(frozen=True)
class Planned:
    """A graph made ready for the engine."""

    graph: Graph
    plan: Plan
    image: bytes


def planned(graph: Graph, golden: bytes = b"", target: Target = ANY) -> Planned:
    """From a graph to the image that the engine opens."""
    tflite = write_tflite(graph)
    plan = build_plan(graph, file_layout(tflite), target)
    return Planned(graph, plan, write_model_image(ModelImage(graph.name, encode_plan(plan), tflite, golden)))


def _values(rows: NDArray[np.int8], kind: Tensor) -> NDArray[Any]:
    """Bytes [runs, bytes of the tensor] as its values."""
    return np.ascontiguousarray(rows).view(kind.dtype).reshape(-1, *kind.shape[1:])


class EngineHost:
    """The compiled program; each call starts it once for a whole batch."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def run(self, batch: Sequence[tuple[Planned, NDArray[np.int8]]]) -> list[dict[str, NDArray[Any]]]:
        """For each model and its inputs [runs, ...]: every step's output [runs, ...] by the tensor it writes."""
        stdin = b"".join(
            struct.pack("<I", len(p.image)) + p.image + struct.pack("<I", len(inputs)) + inputs.tobytes()
            for p, inputs in batch
        )
        stdout, at, results = self._call([], stdin), 0, []
        for p, inputs in batch:
            assert stdout[at : at + 4] == bytes(4)
            at += 4
            outputs = [p.plan.tensors[step.output] for step in p.plan.steps]
            size = sum(t.bytes for t in outputs)
            block = np.frombuffer(stdout, np.int8, size * len(inputs), at).reshape(len(inputs), size)
            at += block.size
            ends = np.cumsum([t.bytes for t in outputs])
            parts = np.split(block, ends[:-1], axis=1)
            kinds = [p.graph.tensor(t.name) for t in outputs]
            results.append({k.name: _values(v, k) for v, k in zip(parts, kinds, strict=True)})
        assert at == len(stdout)
        return results

    def open(self, image: bytes) -> str:
        """The status in which opening these bytes ends."""
        return self._call(["open"], image).decode().strip()

    def mutate(self, image: bytes, seed: int, count: int) -> dict[str, int]:
        """How many of `count` damaged copies of the image ended in which status."""
        lines = self._call(["mutate", str(seed), str(count)], image).decode().splitlines()
        return {status: int(n) for status, n in (line.split(": ") for line in lines)}

    def _call(self, arguments: list[str], stdin: bytes) -> bytes:
        ran = subprocess.run([self.program, *arguments], input=stdin, capture_output=True, check=False)
        assert ran.returncode == 0 and not ran.stderr, ran.stderr.decode("utf-8", "replace")
        return ran.stdout
