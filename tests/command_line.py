"""The `edgeq` command as a user has it: a child process with streams, exit code and folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

EDGEQ = (sys.executable, "-m", "edgeq")
LIMIT_S = 120
Done = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """This process' environment without what would change how edgeq prints."""
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "EDGEQ_DEBUG", "COLUMNS")}
    return {**plain, **more}


def edgeq(
    *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, limit_s: float = LIMIT_S, **more: Any
) -> Done:
    """Runs the command to its end."""
    command = [*EDGEQ, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=env or environment(), capture_output=True, text=True, timeout=limit_s, **more
    )


def good(done: Done) -> str:
    """Its stdout, the command having ended well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done: Done, exit_code: int, *words: str) -> None:
    """It ended with that exit code, and its error has each of the words and no traceback."""
    said = done.stdout + done.stderr
    assert done.returncode == exit_code, said
    assert "Traceback" not in said and "fault in edgeq" not in said
    for word in words:
        assert word in " ".join(done.stderr.split()), said


@contextlib.contextmanager
def virtual(*options: object, cwd: Path) -> Iterator[str]:
    """`edgeq virtual` for as long as the block lasts; its URL. Ends by Ctrl-C, which it must obey."""
    child = subprocess.Popen(
        [*EDGEQ, "virtual", *map(str, options)], cwd=cwd, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip()
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=10) == 130
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def listing(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones too, with its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()} | {
        f"{file.relative_to(folder)}/": b"" for file in folder.rglob("*") if file.is_dir()
    }
