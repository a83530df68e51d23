"""What this user's runs have from labgrid, kept on disk: so that the next run can give back what one left behind.

A lease is a file that names a reservation's token. It is locked (flock) for as long as the run lives, or the run's
labgrid worker, which inherits the lock: a lease that nobody locks is of a run that is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from edgeq.errors import BadInput

_RECORD_BYTES_MAX = 4096


def folder() -> Path:
    """Where the leases lie; it outlives a restart of the machine, as what the coordinator knows does."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "edgeq" / "labgrid"


class Lease:
    """The file of one run's dealings with one coordinator, locked. Raises BadInput where it cannot be made."""

    def __init__(self, coordinator: str) -> None:
        self._coordinator = coordinator
        unready = folder() / f".{os.getpid()}-{secrets.token_hex(8)}"
        try:
            folder().mkdir(parents=True, exist_ok=True, mode=0o700)
            self.fd = os.open(unready, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            what = f"cannot note what is borrowed from labgrid: {error.strerror}"
            raise BadInput(what, where=str(folder()), hint="name a folder by XDG_STATE_HOME") from error
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        self._path = unready.with_name(f"{unready.name[1:]}.json")  # which others look at only now that it is locked
        unready.rename(self._path)
        self._noted = False

    def note(self, token: str) -> None:
        """Puts the token down, before anything is acquired by it."""
        os.pwrite(self.fd, json.dumps({"coordinator": self._coordinator, "token": token}).encode(), 0)
        os.fsync(self.fd)
        self._noted = True

    def end(self, *, given_back: bool) -> bool:
        """Closes it; whether there is something left for the next run to give back. If not, it is forgotten."""
        left = self._noted and not given_back
        if not left:
            self._path.unlink(missing_ok=True)
        os.close(self.fd)
        return left


@contextlib.contextmanager
def left_behind(coordinator: str) -> Iterator[list[str]]:
    """Tokens of runs that are gone, of this coordinator. They are forgotten at the end of the block, unless it raises.

    While the block lasts no other run sees them.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for path in sorted(folder().glob("*.json")):
            fd = _lock(path)
            if fd is None:
                continue
            stack.callback(os.close, fd)
            record = _read(fd)
            if record.get("coordinator") in (coordinator, None):
                found.append((path, record.get("token")))
        yield [token for _, token in found if token]
        for path, _ in found:
            path.unlink(missing_ok=True)


def _lock(path: Path) -> int | None:
    """The open file, locked; None where somebody has it, or it is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _read(fd: int) -> dict[str, str]:
    try:
        record = json.loads(os.pread(fd, _RECORD_BYTES_MAX, 0))
    except ValueError:
        return {}  # the run ended before it had a reservation
    return {k: v for k, v in record.items() if isinstance(v, str)} if isinstance(record, dict) else {}
