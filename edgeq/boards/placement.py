"""Where a model's arena lies: in internal RAM if it fits there, else in PSRAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeq.boards.board import Board, internal_arena_bytes

Where = Literal["internal", "psram", "nowhere"]


@dataclass(frozen=True)
class Placement:
    """Where the arena goes, the bytes an arena may have there, and the reason in a sentence.

    For `nowhere`, `capacity` is the most that an arena may have on this board.
    """

    where: Where
    capacity: int
    why: str


def place_arena(board: Board, arena_bytes: int, scratch_bytes: int) -> Placement:
    """Internal RAM if the arena fits the chip's static segment beside the scratch and the firmware's own data, since
    no other memory is as fast; else a section of PSRAM (`EXT_RAM_BSS_ATTR`); else nowhere.

    The scratch always lies in internal RAM.
    """
    internal = internal_arena_bytes(board.chip, scratch_bytes)
    if scratch_bytes > board.scratch_bytes:
        return Placement("nowhere", internal, f"the scratch takes {scratch_bytes:,} bytes, not {board.scratch_bytes:,}")
    if arena_bytes <= internal:
        return Placement("internal", internal, f"internal RAM has {internal:,} bytes beside scratch and firmware")
    if arena_bytes <= board.arena_bytes and board.psram_bytes:
        return Placement(
            "psram",
            board.arena_bytes,
            f"internal RAM has only {internal:,} bytes beside scratch and firmware",
        )
    if board.psram_bytes:
        return Placement(
            "nowhere", board.arena_bytes, f"the firmware gives a model {board.arena_bytes:,} bytes of PSRAM"
        )
    return Placement("nowhere", internal, f"internal RAM has {internal:,} bytes, and there is no PSRAM")
