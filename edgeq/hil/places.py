"""A board that one runner has for a while, and the door behind which boards of other machines stand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Borrowed:
    """`port` is what pyserial opens: a device or a URL. `cycle_power` takes the board's supply away and gives it back;
    None where nothing can. `lost` says why the board is not ours any more, "" while it is: what an attempt found that
    it was lost in is worth nothing."""

    port: str
    cycle_power: Callable[[], None] | None = None
    lost: Callable[[], str] = lambda: ""


@dataclass(frozen=True)
class PlaceState:
    """What a place is like now. `holder` says who has it, "" where nobody has; `note` what else an operator should
    know, as its tags, or a resource that is gone. All of it comes from outside."""

    name: str
    present: bool
    holder: str = ""
    note: str = ""


class Places(Protocol):
    """Boards that somebody else hands out, by name. Every method raises BoardTrouble where that somebody fails."""

    def acquire(
        self, name: str, *, wait_s: float, stopped: Callable[[], bool] = lambda: False
    ) -> AbstractContextManager[Borrowed]:
        """The place for as long as the block lasts; waits up to `wait_s` seconds for whoever has it, or until
        `stopped`."""

    def states(self) -> list[PlaceState]:
        """Every place there is; those that are free and those that are not."""
