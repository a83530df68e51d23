"""A board to run on, virtual or real: build its firmware, put it into flash, talk to it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeq.boards.board import Board, internal_arena_bytes
from edgeq.errors import BoardTrouble, DoesNotFit, ToolMissing
from edgeq.flash.esptool import FlashResult, flash, read_flash
from edgeq.images.layout import layout_for
from edgeq.images.partitions import (
    FIRST_OFFSET,
    SUBTYPE_FACTORY,
    SUBTYPE_SLOT_RECORDS,
    TABLE_BYTES,
    TABLE_OFFSET,
    TYPE_APP,
    TYPE_DATA,
    PartitionTable,
    write_partition_table,
)
from edgeq.images.slots import RECORDS_BYTES, SlotUpdate, first_slot, next_slot
from edgeq.link.session import Patience, Session
from edgeq.link.symptoms import explain
from edgeq.link.transport import SerialTransport, Transport
from edgeq.pipeline.progress import Progress
from edgeq.plan import Target
from edgeq.toolchain.build import FirmwareBuild, build_firmware
from edgeq.toolchain.find import find_lx6_assembler, find_lx6_compiler, find_lx6_linker
from edgeq.virtual.flash_array import FlashArray
from edgeq.virtual.runners import find_runner
from edgeq.virtual.serve import VirtualBoard

Runner = Literal["qemu_lx6", "host"]
MOST_LOG_BYTES = 1 << 20
PRESENT_BYTES = FIRST_OFFSET + RECORDS_BYTES - TABLE_OFFSET


@dataclass(frozen=True)
class FlashContents:
    """(offset, bytes) of all that goes into flash, in the order it is written; `slot` is where the model goes."""

    parts: tuple[tuple[int, bytes], ...]
    table: PartitionTable
    slot: int

    @property
    def bytes(self) -> int:
        """How many bytes are written."""
        return sum(len(data) for _, data in self.parts)


def target_of(board: Board) -> Target:
    """What of the board decides between kernels."""
    chip = board.chip
    return Target(
        mac16="mac16" in chip.features,
        scratch_bytes=board.scratch_bytes,
        flash_cycles=board.clock_hz / chip.flash_bytes_per_s,
        psram_cycles=board.clock_hz / chip.psram_bytes_per_s if chip.psram_bytes_per_s else 0,
        internal_bytes=internal_arena_bytes(chip, board.scratch_bytes),
    )


def choose_runner(wanted: Runner | None, progress: Progress) -> Runner:
    """The emulated core where its tools are installed; else a process of this machine, and it says so."""
    if wanted is not None:
        return wanted
    try:
        find_runner("qemu_lx6")
        for find in (find_lx6_compiler, find_lx6_assembler, find_lx6_linker):
            find()
    except ToolMissing as e:
        progress.note(f"no emulated Xtensa core ({e.what}): the board is a process of this machine. {e.hint}")
        return "host"
    return "qemu_lx6"


def build(runner: Runner, board: Board, out: Path, progress: Progress, *, sanitize: bool = False) -> FirmwareBuild:
    """The firmware of a virtual board, from the cache where nothing changed."""
    return build_firmware(
        runner,
        board=board.name,
        arena_bytes=board.arena_bytes,
        scratch_bytes=board.scratch_bytes,
        flash_bytes=board.flash_bytes,
        out=out,
        cache=_cache(),
        sanitize=sanitize,
        progress=lambda done, total, name: progress.update(done / total, Path(name).name),
    )


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "edgeq" / "firmware"


def flash_contents(
    board: Board, app: bytes, image: bytes, *, bootloader: bytes = b"", present: bytes = b""
) -> FlashContents:
    """Bootloader (for a real board), partition table, application and model image at their places.

    `present` is what the board's flash holds now (`present_flash`). Where that has the same layout with two slots, the
    image goes into the one that is not in use, and the record that switches to it is the last that is written; else
    what the flash holds is given up. DoesNotFit where the flash is too small.
    """
    try:
        table = layout_for(board.flash_bytes, len(image), len(app))
    except DoesNotFit as e:
        raise DoesNotFit(e.what, where=board.name, hint=e.hint) from e
    written = write_partition_table(table)
    parts = [(TABLE_OFFSET, written), (_offset(table, TYPE_APP, SUBTYPE_FACTORY), app)]
    if bootloader:
        parts.insert(0, (board.chip.bootloader_offset, bootloader))
    if len(table.model_slots) == 1:
        return FlashContents((*parts, (table.model_slots[0].offset, image)), table, 0)
    update = _slot_update(present if present[:TABLE_BYTES] == written else b"", image)
    parts.append((table.model_slots[update.slot].offset, image))
    parts.append((_offset(table, TYPE_DATA, SUBTYPE_SLOT_RECORDS) + update.offset, update.records))
    return FlashContents(tuple(parts), table, update.slot)


def _offset(table: PartitionTable, kind: int, subtype: int) -> int:
    return next(p.offset for p in table.partitions if (p.type, p.subtype) == (kind, subtype))


def _slot_update(present: bytes, image: bytes) -> SlotUpdate:
    sha256 = own_sha256(image)
    return next_slot(present[FIRST_OFFSET - TABLE_OFFSET :], sha256) if present else first_slot(sha256)


def own_sha256(image: bytes) -> bytes:
    """What an application image and a model image end with."""
    return image[-hashlib.sha256().digest_size :]


def present_flash(port: str, board: Board) -> bytes:
    """Partition table and slot records of the board behind `port`, read with esptool."""
    return read_flash(port, TABLE_OFFSET, PRESENT_BYTES, chip=board.chip.name)


def check_fits(board: Board, arena_bytes: int, scratch_bytes: int) -> None:
    """DoesNotFit where a plan needs more memory than the board's firmware offers."""
    for what, needed, there in (
        ("arena", arena_bytes, board.arena_bytes),
        ("scratch", scratch_bytes, board.scratch_bytes),
    ):
        if needed > there:
            raise DoesNotFit(
                f"the {what} takes {needed:,} bytes, the board has {there:,}",
                where=board.name,
                hint="a board with more memory, or a smaller input or a narrower network",
            )


@contextlib.contextmanager
def virtual_board(runner: Runner, board: Board, contents: FlashContents | None = None) -> Iterator[VirtualBoard]:
    """A virtual board with `contents` in its flash already, or with an erased one."""
    with FlashArray(flash_bytes=board.flash_bytes) as array:
        for offset, data in contents.parts if contents else ():
            array.program(offset, data)
        with VirtualBoard(array, runner) as virtual:
            yield virtual


def flash_board(port: str, board: Board, contents: FlashContents, progress: Progress) -> FlashResult:
    """Writes the contents with esptool, verified."""
    return flash(port, contents.parts, chip=board.chip.name, progress=progress.update)


@contextlib.contextmanager
def session(
    port: str,
    log: list[bytes] | None = None,
    *,
    patience: Patience | None = None,
    door: Callable[[Transport], Transport] = lambda transport: transport,
) -> Iterator[Session]:
    """A conversation with the board behind `port`, begun. `log` gets what it prints, the first MOST_LOG_BYTES of it;
    `door` may put something between the two."""
    transport = door(SerialTransport(port))
    try:
        keep = _keeper(log) if log is not None else None
        talk = Session(transport, time.monotonic, patience=patience or Patience(), on_text=keep)
        _begin(talk, port)
        yield talk
    finally:
        transport.close()


def _keeper(log: list[bytes]) -> Callable[[bytes], None]:
    """A board may print without end; what is kept of it has one."""
    room = MOST_LOG_BYTES

    def keep(data: bytes) -> None:
        nonlocal room
        if room:
            log.append(data[:room])
            room -= len(log[-1])

    return keep


def _begin(talk: Session, port: str) -> None:
    """Where the board does not answer, its last words may say why."""
    try:
        talk.hello()
    except BoardTrouble as e:
        if symptom := explain(talk.log.decode(errors="replace")):
            raise BoardTrouble(f"{symptom.what}: {e.what}", where=port, hint=symptom.hint) from e
        raise


def require_model(talk: Session) -> None:
    """BoardTrouble with the board's own words where it has no model to run."""
    info = talk.info()
    if info.get("model", "none") == "none":
        why = info.get("model_error", "there is none in its flash")
        raise BoardTrouble(f"the board runs no model: {why}", hint="flash one with `edgeq deploy` or `edgeq flash`")
