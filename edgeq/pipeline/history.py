"""The door to a history file and to the commit that a run is of."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgeq.compare.history import BEGINNING, History, entries_of, read_history, to_lines
from edgeq.compare.subject import Subject
from edgeq.errors import BadInput
from edgeq.pipeline.run_folder import read_file

MOST_BYTES = 64 << 20
_GIT_LIMIT_S = 30


@dataclass(frozen=True)
class Stamp:
    """When an entry is, and of which commit; "" where none is known."""

    at: datetime
    commit: str


def stamp(at: str | None, commit: str | None, *, folder: Path) -> Stamp:
    """The time that is given, else the commit's; the commit that is given, else the one checked out in `folder`."""
    given = None if at is None else _time(at)
    if given is not None and commit is not None:
        return Stamp(given, commit)
    known = _git(commit or "HEAD", folder)
    if known is not None:
        return Stamp(given or known.at, known.commit)
    if commit is not None:
        raise BadInput(f"git knows no commit {commit}", where=str(folder), hint="say its time: --at 2026-01-31T12:00Z")
    if given is None:
        hint = "say the time, --at 2026-01-31T12:00Z, or run it in a git checkout"
        raise BadInput("an entry of a history needs a time, and here is no commit to take it from", hint=hint)
    return Stamp(given, "")


def append(path: Path, subject: Subject, when: Stamp, label: str) -> None:
    """Adds a run's lines in one piece: other processes may add theirs, and a crash tears at most the last line."""
    lines = to_lines(entries_of(subject, when.at, when.commit, label))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _require_history(file, path)
            _append(file, lines)
        finally:
            os.close(file)
    except OSError as e:
        raise BadInput(f"cannot be written: {e.strerror}", where=str(path)) from e


def _require_history(file: int, path: Path) -> None:
    """A file that begins otherwise is somebody's other file; the first line may be torn."""
    if stat.S_ISREG(os.fstat(file).st_mode) and not BEGINNING.startswith(os.pread(file, len(BEGINNING), 0)):
        raise BadInput("is there and is no history; nothing was added", where=str(path), hint="--history history.jsonl")


def _append(file: int, lines: bytes) -> None:
    """Behind a torn line it begins a new one. What could be written in part alone is taken back."""
    size = os.fstat(file).st_size
    whole = not size or os.pread(file, 1, size - 1) == b"\n"
    left = lines if whole else b"\n" + lines
    try:
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(file, size)
        raise


def history_from(path: Path) -> History:
    """What a history file holds."""
    found = read_history(read_file(path, MOST_BYTES))
    if not found.entries:
        why = f": {found.notes[0]}" if found.notes else ""
        raise BadInput(f"holds no entry{why}", where=str(path), hint=f"edgeq compare BASE NEW --history {path}")
    return found


def _time(text: str) -> datetime:
    """A time of ISO 8601; without a zone it is UTC's."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise BadInput(f"--at takes a time, not {text!r}", hint="--at 2026-01-31T12:00Z") from e


def _git(revision: str, folder: Path) -> Stamp | None:
    """A commit with its time; None without git, outside of a checkout, or where there is no such commit."""
    command = ["git", "show", "-s", "--no-show-signature", "--format=%H%n%cI", "--end-of-options", revision, "--"]
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_GIT_LIMIT_S, check=True)
        commit, at = ran.stdout.split()
        return Stamp(_time(at), commit)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
