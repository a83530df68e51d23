"""A NOR flash of N bytes, kept in a file: erasing sets a sector of 4 KiB to 0xFF, programming only clears bits."""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
from pathlib import Path
from types import TracebackType

import numpy as np

from edgeq.errors import BadInput, BoardTrouble, ToolMissing

SECTOR_BYTES = 0x1000
SIZES = tuple(mebibytes << 20 for mebibytes in (1, 2, 4, 8, 16))
DEFAULT_BYTES = 4 << 20


class FlashArray:
    """Flash contents that outlive the board, or, without a file, live as long as this object.

    An existing file keeps its contents and its size; a new one is erased flash of `flash_bytes`. The file belongs to
    one array at a time. Raises BadInput for an impossible size, BoardTrouble when another board has the file.
    """

    def __init__(self, file: Path | None = None, flash_bytes: int | None = None) -> None:
        if flash_bytes is not None and flash_bytes not in SIZES:
            raise BadInput(
                f"a flash of {flash_bytes} bytes does not exist",
                hint="choose 1, 2, 4, 8 or 16 MiB",
            )
        if file is None:
            self._fd = _anonymous_file(flash_bytes or DEFAULT_BYTES)
        else:
            self._fd = _open(file, flash_bytes)
        self.size = os.fstat(self._fd).st_size
        self._bytes = mmap.mmap(self._fd, self.size)
        # A child process reaches an anonymous file by this name as well.
        self.path = file.absolute() if file else Path(f"/proc/{os.getpid()}/fd/{self._fd}")

    def read(self, offset: int, size: int) -> bytes:
        self._check(offset, size)
        return self._bytes[offset : offset + size]

    def program(self, offset: int, data: bytes) -> None:
        """Clears bits: what stood there AND `data`."""
        self._check(offset, len(data))
        before = np.frombuffer(self._bytes[offset : offset + len(data)], np.uint8)
        self._bytes[offset : offset + len(data)] = (before & np.frombuffer(data, np.uint8)).tobytes()

    def erase(self, offset: int, size: int) -> None:
        """Sets every sector that [offset, offset + size) touches to 0xFF."""
        self._check(offset, size)
        start = offset - offset % SECTOR_BYTES
        end = offset + size + -(offset + size) % SECTOR_BYTES if size else start
        self._bytes[start:end] = b"\xff" * (end - start)

    def close(self) -> None:
        if not self._bytes.closed:
            self._bytes.flush()
            self._bytes.close()
            os.close(self._fd)

    def __enter__(self) -> FlashArray:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise BadInput(f"{size} bytes at {offset:#x} are not inside {self.size:#x} bytes of flash")


def _anonymous_file(size: int) -> int:
    if sys.platform != "linux":
        raise ToolMissing("a flash array without a file needs Linux", hint="name a file for the flash")
    fd = os.memfd_create("edgeq-flash")
    _erase_all(fd, size)
    return fd


def _erase_all(fd: int, size: int) -> None:
    with os.fdopen(fd, "wb", closefd=False) as out:
        for _ in range(size >> 20):
            out.write(b"\xff" * (1 << 20))


def _open(file: Path, flash_bytes: int | None) -> int:
    try:
        if not file.exists():
            _create(file, flash_bytes or DEFAULT_BYTES)
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise BadInput(f"cannot open the flash file: {error.strerror}", where=str(file)) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(fd).st_size
        if size not in SIZES or flash_bytes not in (None, size):
            wanted = f"{flash_bytes} bytes" if flash_bytes else "1, 2, 4, 8 or 16 MiB"
            raise BadInput(
                f"the flash file has {size} bytes, not {wanted}",
                where=str(file),
                hint="name another file; this one is left as it is",
            )
    except OSError as error:
        os.close(fd)
        raise BoardTrouble(
            "the flash file belongs to a board that is running", where=str(file), hint="stop that board"
        ) from error
    except BadInput:
        os.close(fd)
        raise
    return fd


def _create(file: Path, size: int) -> None:
    """Writes beside and renames: never half a flash under the name."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        _erase_all(fd, size)
        beside.replace(file)
    finally:
        os.close(fd)
        beside.unlink(missing_ok=True)
