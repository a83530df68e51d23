"""`edgeq hil list` and `edgeq hil doctor`: what a bench's boards are like now, and what keeps them from working."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import BoardTrouble, EdgeqError, ToolMissing
from edgeq.flash.esptool import read_mac
from edgeq.hil.boards import NotThere, Rack
from edgeq.hil.jobs import kind_of
from edgeq.hil.limits import ANSWER_S
from edgeq.hil.lock import board_lock, held, holder_of, runtime_folder
from edgeq.hil.places import PlaceState
from edgeq.hil.settings import BoardEntry
from edgeq.link.session import Patience
from edgeq.pipeline import board as boards
from edgeq.pipeline import doctor
from edgeq.virtual.runners import find_runner


@dataclass(frozen=True)
class BoardState:
    """A board now. `where` is its port or place, `holder` who has it, `holds` the model that it says is on it."""

    name: str
    kind: str
    where: str
    present: bool
    holder: str = ""
    holds: str = ""
    note: str = ""


def look(rack: Rack) -> list[BoardState]:
    """Every board of the bench; those that are free are asked what is on them."""
    places = _places(rack)
    return [_state(rack, entry, places) for entry in rack.bench.settings.board]


def _places(rack: Rack) -> dict[str, PlaceState] | EdgeqError:
    try:
        return {place.name: place for place in rack.places.states()} if rack.places else {}
    except EdgeqError as e:
        return e


def _state(rack: Rack, entry: BoardEntry, places: dict[str, PlaceState] | EdgeqError) -> BoardState:
    kind = str(kind_of(entry))
    note = f"quarantine: {entry.quarantine}" if entry.quarantine else ""
    if entry.virtual is not None:
        return BoardState(entry.name, kind, "made for each run", True, note=note)
    if entry.place is not None:
        return _place(entry, entry.place, kind, note, places)
    try:
        port = rack.port_of(entry)
    except BoardTrouble as e:
        return BoardState(entry.name, kind, "", False, note="; ".join(filter(None, (note, e.what))))
    if (holder := holder_of(board_lock(port))) is not None:
        return BoardState(entry.name, kind, port, True, str(holder), note=note)
    try:
        with held(board_lock(port), port, wait_s=0, say=lambda text: None):
            holds = _asked(port)
    except BoardTrouble as e:
        return BoardState(entry.name, kind, port, _is_there(port), note="; ".join(filter(None, (note, e.what))))
    return BoardState(entry.name, kind, port, True, holds=holds, note=note)


def _place(
    entry: BoardEntry, place: str, kind: str, note: str, places: dict[str, PlaceState] | EdgeqError
) -> BoardState:
    if isinstance(places, EdgeqError):
        return BoardState(entry.name, kind, f"place {place}", False, note="; ".join(filter(None, (note, places.what))))
    found = places.get(place)
    if found is None:
        said = "any place with these tags" if "=" in place else "labgrid knows no such place"
        return BoardState(entry.name, kind, f"place {place}", "=" in place, note="; ".join(filter(None, (note, said))))
    said = "; ".join(filter(None, (note, found.note)))
    return BoardState(entry.name, kind, f"place {place}", found.present, found.holder, note=said)


def _is_there(port: str) -> bool:
    return "://" not in port and Path(port).exists()


def _asked(port: str) -> str:
    """The model that the board says is on it, with its firmware's version."""
    with boards.session(port, patience=Patience(answer_s=ANSWER_S)) as talk:
        info = talk.info()
    return f"{info.get('model', 'none')}, firmware {info.get('firmware', '?')}, {info.get('kind', '?')}"


@dataclass(frozen=True)
class Check:
    """One thing that a bench needs: whether it is as it should be, and what to try where it is not."""

    what: str
    good: bool
    said: str = ""
    hint: str = ""


def examine(rack: Rack) -> list[Check]:
    """Locks, tools, every board's port, permission, chip and power hook, and labgrid. Boards in use are not asked."""
    return [*_this_machine(rack), *(check for entry in rack.bench.settings.board for check in _board(rack, entry))]


def _this_machine(rack: Rack) -> Iterator[Check]:
    yield _tried("locks", lambda: str(runtime_folder()))
    for name in ("esptool", "C compiler"):
        item = next(item for item in doctor.examine() if item.name == name)
        yield Check(name, item.present, item.version, item.hint)
    kinds = {kind_of(entry).runner for entry in rack.bench.settings.board}
    if "qemu_lx6" in kinds:
        yield _tried("emulated core", lambda: find_runner("qemu_lx6").tool)
    if None in kinds:
        item = next(item for item in doctor.examine() if item.name == "ESP-IDF")
        yield Check(item.name, item.present, item.version, item.hint)
    if rack.places is not None:
        places = rack.places
        yield _tried("labgrid", lambda: f"{len(places.states())} places")


def _board(rack: Rack, entry: BoardEntry) -> Iterator[Check]:
    name = f"board {entry.name}"
    if entry.quarantine is not None:
        yield Check(name, True, f"in quarantine: {entry.quarantine}")
    if entry.power:
        program = entry.power[0]
        beside = rack.bench.beside(program)
        found = shutil.which(program) or ("/" in program and os.access(beside, os.X_OK) and str(beside))
        yield Check(f"{name}, power", bool(found), found or program, "" if found else "there is no such program")
    if entry.place is not None and rack.places is not None:
        yield _tried(f"{name}, place", lambda: _require_place(rack, entry))
    elif entry.virtual is None:
        yield _tried(f"{name}, port", lambda: _require_port(rack, entry))


def _require_place(rack: Rack, entry: BoardEntry) -> str:
    state = _state(rack, entry, _places(rack))
    if not state.present:
        raise BoardTrouble(state.note, hint="docs/labgrid.md")
    return f"in use by {state.holder}" if state.holder else state.note or "free"


def _require_port(rack: Rack, entry: BoardEntry) -> str:
    """Where the board is, and that esptool gets an answer there."""
    try:
        port = rack.port_of(entry)
    except NotThere as e:
        if entry.optional:
            return f"{e.what}; it is optional"
        raise
    if (holder := holder_of(board_lock(port))) is not None:
        return f"{port}, in use by {holder}"
    with held(board_lock(port), port, wait_s=0, say=lambda text: None):
        return f"{port}, chip {read_mac(port)}"


def _tried(what: str, look: Callable[[], str]) -> Check:
    """What comes back is good, an error is not."""
    try:
        return Check(what, True, look())
    except EdgeqError as e:
        return Check(what, False, e.what, e.hint)


def require_good(checks: list[Check]) -> None:
    """BoardTrouble where something is not as it should be."""
    wrong = [check for check in checks if not check.good]
    if wrong:
        first = wrong[0]
        kind = ToolMissing if first.what in ("esptool", "C compiler", "ESP-IDF", "emulated core") else BoardTrouble
        said = f"{len(wrong)} of {len(checks)} checks failed; the first: {first.said or 'not found'}"
        raise kind(said, where=first.what, hint=first.hint)
