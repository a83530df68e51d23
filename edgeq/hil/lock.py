"""A lock that one process holds on a board or on a folder of results, and that says who holds it.

It is the kernel's `flock`, which no crash leaves behind; the file's text tells a person whose it is. Text without a
lock is what a process left that ended without giving it back.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from edgeq.errors import BadInput, BoardTrouble, NotWritten
from edgeq.report.wording import printable

_POLL_S = 0.2
_MOST_BYTES = 4096


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as they wrote it down."""

    pid: int
    host: str
    command: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since} ({self.command})"


class InUse(BoardTrouble):
    """Somebody else has it."""


def runtime_folder() -> Path:
    """This user's folder for locks; nobody else can write there. BadInput where it is somebody else's, or cannot be."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base) / "edgeq" if base else Path("/tmp") / f"edgeq-{os.getuid()}"  # noqa: S108 - checked below
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as e:
        what = f"the folder of locks cannot be made: {e.strerror}"
        raise NotWritten(what, where=str(folder), hint="set XDG_RUNTIME_DIR to a folder of yours") from e
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise BadInput("is not a folder of yours alone", where=str(folder), hint="remove it, or set XDG_RUNTIME_DIR")
    return folder


def board_lock(port: str) -> Path:
    """The lock of the board behind a port: all names of one device have the same."""
    name = port if "://" in port else os.path.realpath(port)
    return runtime_folder() / (re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") + ".lock")


def holder_of(path: Path) -> Holder | None:
    """Who holds that lock now; None where nobody does."""
    try:
        with path.open("rb+", buffering=0) as file:
            if _try(file):
                return None
            return _read(file) or Holder(0, "?", "?", "?")
    except FileNotFoundError:
        return None
    except OSError as e:
        raise _no_lock(path, e) from e


@contextlib.contextmanager
def held(
    path: Path, what: str, *, wait_s: float, say: Callable[[str], None], stopped: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """The lock for as long as the block lasts; waits for whoever has it, and says so.

    InUse where they still have it after `wait_s` seconds, or `stopped` says so; NotWritten where there can be no lock.
    """
    with _opened(path) as file:
        _wait(file, what, wait_s, say, stopped)
        if (left := _read(file)) is not None:
            say(f"{what} was held by {left}, which ended without giving it back")
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        _write(file, Holder(os.getpid(), socket.gethostname(), command, _now()))
        try:
            yield
        finally:
            file.truncate(0)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab+", buffering=0)
    except OSError as e:
        raise _no_lock(path, e) from e
    with file:
        yield file


def _no_lock(path: str | Path, error: OSError) -> NotWritten:
    return NotWritten(
        f"cannot be locked: {error.strerror}", where=str(path), hint="is it a folder of yours, with room?"
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _wait(file: BinaryIO, what: str, wait_s: float, say: Callable[[str], None], stopped: Callable[[], bool]) -> None:
    end_s, said = time.monotonic() + wait_s, False
    while not _try(file):
        holder = _read(file)
        if time.monotonic() >= end_s or stopped():
            raise InUse(f"{what} is in use by {holder}", hint="wait for it, or end it if it hangs")
        if not said:
            say(f"waiting up to {wait_s:g} s for {what}, which {holder} has")
            said = True
        time.sleep(_POLL_S)


def _try(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:  # a network's file system without locks, say
        raise _no_lock(file.name, e) from e
    return True


def _read(file: BinaryIO) -> Holder | None:
    file.seek(0)
    try:
        facts = json.loads(file.read(_MOST_BYTES))
        return Holder(int(facts["pid"]), *(printable(str(facts[key])) for key in ("host", "command", "since")))
    except (ValueError, KeyError, TypeError):
        return None


def _write(file: BinaryIO, holder: Holder) -> None:
    try:
        file.truncate(0)
        file.write(json.dumps(asdict(holder)).encode())
    except OSError as e:
        raise _no_lock(file.name, e) from e
