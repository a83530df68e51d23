"""Into a repository: which host it has, and files that overwrite nobody's work."""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeq.ci.render import BENCH, GATE, GITLAB_BOARDS, GITLAB_ENTRY, GITLAB_INCLUDED, CiFile, Host
from edgeq.errors import BadInput
from edgeq.pipeline.run_folder import read_file, write_file
from edgeq.report.wording import printable

Status = Literal["written", "unchanged", "kept"]

_FIRST_LINE = re.compile(r"# Written by `edgeq ci init`, [0-9a-f]{16} of what follows: \w[^\n]*\n")


@dataclass(frozen=True)
class Placed:
    """What became of a file: written, there already with the same text, or kept as the team's own."""

    path: str
    status: Status


def detect_hosts(folder: Path) -> tuple[Host, ...]:
    """By the files that are there, else by the name of the host that the remote `origin` is on. BadInput where neither
    says."""
    found: list[Host] = []
    if (folder / ".github").is_dir():
        found.append("github")
    if (folder / GITLAB_ENTRY).is_file() or (folder / ".gitlab").is_dir():
        found.append("gitlab")
    if not found:
        remote = re.search(r"(?:@|://)([^/:]+)", _git(folder, "remote", "get-url", "origin"))
        hosts: tuple[Host, ...] = ("github", "gitlab")
        found = [host for host in hosts if remote and host in remote[1].lower()]
    if not found:
        raise BadInput("nothing here says where its CI runs", where=str(folder), hint="--github or --gitlab")
    return tuple(found)


def default_branch(folder: Path) -> str:
    """What the remote `origin` says it is; else, of main and master, the one that there is; else main."""
    said = _git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    there = _git(folder, "for-each-ref", "--format=%(refname:short)", "refs/heads/main", "refs/heads/master")
    return said or next(iter(there.split()), "main")


def require_root(folder: Path) -> None:
    """BadInput in a folder below the root of a git repository: a host reads the root's files alone."""
    if below := _git(folder, "rev-parse", "--show-prefix"):
        root = _git(folder, "rev-parse", "--show-toplevel")
        raise BadInput(f"is {printable(below)} of a repository, and its CI reads the root alone", where=str(folder),
            hint=f"edgeq ci init {printable(root)}")  # fmt: skip


def _git(folder: Path, *arguments: str) -> str:
    """What git prints; nothing where it is not installed, or this is no repository of its."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=True)
        return done.stdout.strip()
    return ""


def place(folder: Path, files: Sequence[CiFile], *, force: bool = False) -> list[Placed]:
    """Writes the files. BadInput, and nothing is written, where something that is no file stands in the way, or a
    workflow that is not as it was written by this; `force` writes over the latter. A starter that is there is kept,
    always."""
    for file in files:
        _require_inside(folder, file.path)
    statuses = {file.path: _status(folder / file.path, file) for file in files}
    if not force and (taken := [path for path, status in statuses.items() if status == "taken"]):
        raise BadInput(
            "is there already, and is not as edgeq wrote it", where=", ".join(taken),
            hint="--force writes over it; or keep what you need of it elsewhere first",
        )  # fmt: skip
    placed = []
    for file in files:
        status = statuses[file.path]
        if status in ("written", "taken"):
            write_file(folder / file.path, _signed(file).encode())
        placed.append(Placed(file.path, "written" if status == "taken" else status))
    return placed


def _require_inside(folder: Path, path: str) -> None:
    """No symbolic link leads the folder of the file out of the repository; the file itself is one, if it is there."""
    file = folder / path
    if not file.parent.resolve().is_relative_to(folder.resolve()):
        raise BadInput("lies outside of the repository, by a symbolic link", where=path)
    if (file.is_symlink() or file.exists()) and not file.is_file():
        raise BadInput("is there and is no file", where=path)


def _status(path: Path, file: CiFile) -> Literal["written", "unchanged", "kept", "taken"]:
    if not path.exists():
        return "written"
    if file.starter:
        return "kept"
    there = read_file(path).decode(errors="replace").replace("\r\n", "\n")  # as git for Windows has it
    if there == _signed(file):
        return "unchanged"
    return "written" if _is_as_written(there) else "taken"


def _signed(file: CiFile) -> str:
    """A starter is anybody's to change; of what is not, the first line says how to tell whether somebody did."""
    return file.text if file.starter else _first_line(file.text) + file.text


def _first_line(text: str) -> str:
    return f"# Written by `edgeq ci init`, {_digest(text)} of what follows: which writes over it while that is so.\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_as_written(text: str) -> bool:
    first = _FIRST_LINE.match(text)
    return first is not None and _digest(text[first.end() :]) in first[0]


def by_hand(folder: Path, hosts: tuple[Host, ...]) -> list[str]:
    """What is left for a person to do once the files are placed, a sentence each."""
    left = []
    if "gitlab" in hosts:
        entry = read_file(folder / GITLAB_ENTRY).decode(errors="replace")
        included = [path for path in (GITLAB_INCLUDED, GITLAB_BOARDS) if path not in entry]
        left += [f"add to {GITLAB_ENTRY}, under include:   - local: {path}" for path in included]
    left.append(f"look through {GATE}: what a change may cost")
    where = {"github": "repository variable", "gitlab": "CI/CD variable"}
    variable = " and ".join(where[host] for host in hosts)
    left.append(f"for real boards: name them in {BENCH}, register a runner, set the {variable} EDGEQ_BOARDS to true")
    return left
