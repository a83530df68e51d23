"""How much of the arena is live while each step of a plan runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeq.plan.build import Plan


@dataclass(frozen=True)
class ArenaUse:
    """Bytes of the arena that hold something while a step runs: in all, what it reads, what it writes beside that.

    What is left of `live_bytes` waits for a later step. Where a step overwrites an operand, those bytes count as read.
    """

    step: str
    live_bytes: int
    read_bytes: int
    written_bytes: int


def arena_use(plan: Plan) -> tuple[ArenaUse, ...]:
    """The use of each step in order; none is above the plan's arena.

    Liveness is found backwards, byte by byte: what is needed behind a step, less what it writes, and what it reads.
    """
    first_writer = {step.output: i for i, step in reversed(list(enumerate(plan.steps)))}
    needed = _bytes_of(plan, [plan.output])
    uses = []
    for i, step in reversed(list(enumerate(plan.steps))):
        read = _bytes_of(plan, (n for n in step.inputs if not plan.tensors[n].constant))
        written = _bytes_of(plan, [step.output])
        live, written_bytes = needed | written | read, int((written & ~read).sum())
        uses.append(ArenaUse(step.name, int(live.sum()), int(read.sum()), written_bytes))
        needed = needed | written
        if first_writer[step.output] == i:  # the others fill parts of what it began
            needed &= ~written
        needed |= read
    return tuple(reversed(uses))


def _bytes_of(plan: Plan, tensors: Iterable[int]) -> NDArray[np.bool_]:
    held = np.zeros(plan.arena_bytes, np.bool_)
    for index in tensors:
        tensor = plan.tensors[index]
        held[tensor.offset : tensor.offset + tensor.bytes] = True
    return held
