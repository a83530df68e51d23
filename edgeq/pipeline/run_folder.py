"""A run folder: every file of a deploy, or, where the deploy fails, none of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeq.errors import BadInput, CheckFailed, NotWritten

MODEL_ONNX = "model.onnx"
MODEL_TFLITE = "model.tflite"
MODEL_PLAN = "model.plan"
MODEL_IMAGE = "model.image"
APP = "app.bin"
ELF = "firmware.elf"
MAP = "firmware.map"
BOOTLOADER = "bootloader.bin"  # of a real board
PARTITIONS = "partitions.bin"
INPUTS = "inputs.npz"
TORCH_TRACE = "torch-trace.npz"
CONSOLE = "console.log"
LEDGER = "ledger.json"
REPORT = "report.json"
REPORT_HTML = "report.html"
REPORT_MARKDOWN = "report.md"
JUNIT = "junit.xml"
LOCK = "lock.json"
PREPROCESS_H = "preprocess.h"
_OF_ONE_RUN = (
    *(REPORT, REPORT_HTML, REPORT_MARKDOWN, JUNIT, LEDGER, LOCK),
    *(MODEL_ONNX, TORCH_TRACE, PREPROCESS_H, BOOTLOADER, MAP),
)


def write_file(path: Path, data: bytes) -> None:
    """Writes beside and renames, so that `path` holds either all of `data` or what it held before. What is no file, as
    /dev/stdout, is written to as it is, for a rename would take its place."""
    if _is_stream(path):
        try:
            with path.open("ab") as stream:
                stream.write(data)
        except OSError as e:
            raise _not_written(path, e) from e
        return
    temporary = None
    with folder_for(path.parent):
        try:
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except OSError as e:
            raise _not_written(path, e) from e
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()


def _is_stream(path: Path) -> bool:
    """A device, a pipe, or a name in /dev for a stream of this process, which may lead to a file."""
    if path.is_symlink() and str(path.readlink()).startswith("/proc/"):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def folder_for(path: Path) -> Iterator[None]:
    """Makes the folder and those above it; at the end the new ones that nothing was written into go."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise _not_written(path, e) from e
        yield
    finally:
        with contextlib.suppress(OSError):  # the first that is not empty ends it
            for folder in made:
                folder.rmdir()


def _not_written(path: Path, error: OSError) -> NotWritten:
    hint = "choose another place with -o, or make room"
    return NotWritten(f"cannot be written: {error.strerror}", where=str(path), hint=hint)


def read_file(path: Path, most: int | None = None) -> bytes:
    """The bytes of a file the user named; BadInput where it has more than `most`, of which no more are read."""
    try:
        with path.open("rb") as file:
            data = file.read(-1 if most is None else most + 1)
        if most is not None and len(data) > most:
            raise BadInput(f"is too large: it has more than {most >> 20} MiB", where=str(path))
        return data
    except FileNotFoundError:
        raise BadInput("there is no such file", where=str(path)) from None
    except OSError as e:
        raise BadInput(f"cannot be read: {e.strerror}", where=str(path)) from e


class RunFolder:
    """One run's files; `lock.json` names the SHA-256 of each that the run rests on."""

    def __init__(self, path: Path, home: Path | None = None) -> None:
        self.path = path
        self.home = home or path  # where the files are in the end, and what outlives one run
        self._hashes: dict[str, str] = {}

    @classmethod
    @contextlib.contextmanager
    def create(cls, path: Path) -> Iterator[RunFolder]:
        """A run in the making, in a hidden folder inside `path`. At the end its files move up, over those of an older
        run; where the making fails, `path` is left as it was."""
        with folder_for(path):
            try:
                hidden = Path(tempfile.mkdtemp(dir=path, prefix=".run-"))
            except OSError as e:
                raise _not_written(path, e) from e
            try:
                run = cls(hidden, path)
                yield run
                run._move_to(path)
            finally:
                shutil.rmtree(hidden, ignore_errors=True)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of a finished run, its files checked against `lock.json`."""
        run = cls(path)
        try:
            lock = json.loads(run.read(LOCK))
            hashes = {str(name): str(digest) for name, digest in lock["files"].items()}
        except BadInput:
            raise BadInput(
                "is not the folder of a finished run (no lock.json)", where=str(path), hint="edgeq deploy MODEL -o RUN"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise BadInput("is damaged", where=str(path / LOCK)) from e
        for name, digest in hashes.items():
            if "/" in name or name.startswith("."):
                raise BadInput(f"names a file outside the folder: {name}", where=str(path / LOCK))
            if hashlib.sha256(run.read(name)).hexdigest() != digest:
                raise CheckFailed("has changed since the run", where=str(path / name), hint="run `edgeq deploy` again")
        return run

    def _move_to(self, path: Path) -> None:
        """The report goes first and comes last: a folder with a report is a whole run."""
        try:
            for stale in _OF_ONE_RUN:
                (path / stale).unlink(missing_ok=True)
            for file in sorted(self.path.iterdir(), key=lambda file: file.name == REPORT):
                file.replace(path / file.name)
        except OSError as e:
            raise _not_written(path, e) from e

    def write(self, name: str, data: bytes, *, locked: bool = False) -> None:
        """Writes a file; a locked one is what the run rests on."""
        write_file(self.path / name, data)
        if locked:
            self._hashes[name] = hashlib.sha256(data).hexdigest()

    def write_lock(self, facts: dict[str, Any]) -> None:
        """The last file of the run's making: hashes of the locked ones, and what they were made from."""
        text = json.dumps({"files": dict(sorted(self._hashes.items())), **facts}, indent=2, sort_keys=True)
        self.write(LOCK, text.encode() + b"\n")

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        return read_file(self.path / name)

    def has(self, name: str) -> bool:
        """Whether that file is there."""
        return (self.path / name).is_file()
