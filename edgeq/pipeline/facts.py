"""What a report says of board, firmware, arena and flash: from the board's words, the plan, and what was written."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.boards.board import Board
from edgeq.images.partitions import TABLE_BYTES, TABLE_OFFSET, PartitionTable
from edgeq.plan import Plan
from edgeq.plan.arena_use import arena_use
from edgeq.report.model import ArenaStep, BoardFacts, Firmware, FlashPart

_LONGEST_COUNT = 18
# What the report has elsewhere, or what is too long for it.
_ELSEWHERE = frozenset(
    {"firmware", "board", "kind", "port", "engine", "engines", "engine_version", "clock_unit", "clock_hz", "kernels"}
    | {"arena_capacity", "scratch_capacity", "model_slot_bytes", "model"}
)


def board_facts(info: dict[str, str], board: Board | None = None) -> BoardFacts:
    """A board by what it says itself (docs/link-protocol.md, INFO); its flash is known where `board` is."""
    return BoardFacts(
        name=board.name if board else info.get("board", "unknown"),
        kind=info.get("kind", ""),  # type: ignore[arg-type]  # pydantic checks it
        flash_bytes=board.flash_bytes if board else None,
        arena_bytes=count_in(info, "arena_capacity"),
        scratch_bytes=count_in(info, "scratch_capacity"),
        model_slot_bytes=count_in(info, "model_slot_bytes"),
        clock_hz=count_in(info, "clock_hz") or None,
    )


def firmware_facts(info: dict[str, str]) -> Firmware:
    """The same of its firmware."""
    return Firmware(
        version=info.get("firmware", "unknown"),
        port=info.get("port", ""),
        engines=tuple(info.get("engines", "native").split(",")),
        facts={key: value for key, value in info.items() if key not in _ELSEWHERE},
    )


def count_in(info: dict[str, str], key: str) -> int | None:
    """A count that a board says of itself; None where it says none, or what is no count."""
    value = info.get(key, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= _LONGEST_COUNT else None


def arena_steps(plan: Plan) -> tuple[ArenaStep, ...]:
    """The arena while each step of a plan runs."""
    return tuple(
        ArenaStep(name=use.step, live_bytes=use.live_bytes, read_bytes=use.read_bytes, written_bytes=use.written_bytes)
        for use in arena_use(plan)
    )


def flash_map(table: PartitionTable, written: Sequence[tuple[int, int]]) -> tuple[FlashPart, ...]:
    """The partitions and what stands in front of them, each with the bytes that were written into it.

    `written` is (offset, bytes) of each part.
    """
    parts = [
        FlashPart(
            name=p.name, offset=p.offset, bytes=p.size, used_bytes=sum(n for at, n in written if p.offset <= at < p.end)
        )
        for p in table.partitions
    ]
    parts.append(FlashPart(name="partition table", offset=TABLE_OFFSET, bytes=TABLE_BYTES, used_bytes=TABLE_BYTES))
    parts += [
        FlashPart(name="bootloader", offset=at, bytes=TABLE_OFFSET - at, used_bytes=size)
        for at, size in written
        if at < TABLE_OFFSET
    ]
    return tuple(sorted(parts, key=lambda part: part.offset))
