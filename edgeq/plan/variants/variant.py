"""What the variants of a kernel have in common: what they are offered for, what they offer, and shared conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgeq.graph import Graph, Node, Tensor
from edgeq.graph.graph import ABSENT
from edgeq.ops import Step

SHIFT_MOST = 21  # with which the constant of `scaled_offset` fits 32 bits beside the product
CYCLES = 1.2  # an instruction, as published counts of C code on the ESP32 have it


@dataclass(frozen=True)
class Target:
    """What of a board decides between kernels.

    `flash_cycles` and `psram_cycles` are what a byte costs that is read past the cache; an arena of more than
    `internal_bytes` lies in PSRAM, and `arena_cycles` is what a byte of it costs then.
    """

    mac16: bool = False
    scratch_bytes: int = 0
    flash_cycles: float = 0
    psram_cycles: float = 0
    internal_bytes: int = 0
    arena_cycles: float = 0

    def with_arena(self, arena_bytes: int) -> Target:
        """The same for a model with an arena of that size."""
        return replace(self, arena_cycles=self.psram_cycles if arena_bytes > self.internal_bytes else 0)


@dataclass(frozen=True)
class Variant:
    """A step with one kernel that computes it, the scratch that it takes and its modelled instructions.

    `constant_passes` and `input_passes` say how often it reads its weights and its input past the cache.
    """

    step: Step
    scratch_bytes: int
    instructions: float
    constant_passes: float = 1
    input_passes: float = 1

    def flash_bytes(self, graph: Graph, node: Node) -> int:
        """What it reads of constants, its parameters included."""
        constants = sum(t.bytes for t in _read(graph, node) if t.is_constant)
        return round(self.constant_passes * constants) + len(self.step.params)

    def arena_bytes(self, graph: Graph, node: Node) -> int:
        """What it reads of its inputs and writes of its output."""
        read = sum(t.bytes for t in _read(graph, node) if not t.is_constant)
        written = sum(t.bytes for t in map(graph.tensor, node.outputs))
        return round(self.input_passes * read) + written


def _read(graph: Graph, node: Node) -> Iterator[Tensor]:
    return (graph.tensor(name) for name in dict.fromkeys(node.inputs) if name != ABSENT)


def cycles(graph: Graph, node: Node, variant: Variant, target: Target) -> float:
    """The modelled cost by which kernels are chosen: instructions, and bytes that come past the cache."""
    return (
        CYCLES * variant.instructions
        + target.flash_cycles * variant.flash_bytes(graph, node)
        + target.arena_cycles * variant.arena_bytes(graph, node)
    )


def scaled_offset(shift: int, zero_point: int) -> int:
    """C of kernels.md#requantisation for sums times 4, with the output's zero point in it; `shift` is at most 0."""
    half = 1 << (-shift - 1) if shift else 0
    return 1 + 2 * half + (zero_point << (1 - shift))


def rounded(n: int, multiple: int) -> int:
    """`n` rounded up."""
    return -(-n // multiple) * multiple
