"""Where each activation lies in the arena: buffers with lifetimes, laid out without overlap in time and space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ALIGNMENT = 16


@dataclass(frozen=True)
class Buffer:
    """Bytes that are in use from step `first` to step `last`, both included."""

    name: str
    bytes: int
    first: int
    last: int


def layout(buffers: Iterable[Buffer]) -> tuple[dict[str, int], int]:
    """(offset of each buffer, bytes of the arena).

    Greedy by size: the largest buffer first, each into the lowest gap between those that live at the same time
    (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference").
    """
    placed: list[tuple[Buffer, int]] = []
    for buffer in sorted(buffers, key=lambda b: (-b.bytes, b.first, b.name)):
        rivals = sorted((at, at + b.bytes) for b, at in placed if b.first <= buffer.last and buffer.first <= b.last)
        offset = 0
        for start, end in rivals:
            if offset + buffer.bytes <= start:
                break
            offset = max(offset, _aligned(end))
        placed.append((buffer, offset))
    total = max((at + b.bytes for b, at in placed), default=0)
    return {b.name: at for b, at in placed}, _aligned(total)


def _aligned(n: int) -> int:
    return -(-n // ALIGNMENT) * ALIGNMENT
