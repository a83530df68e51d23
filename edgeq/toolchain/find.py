"""Finds the programs that build firmware, and asks them who they are."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.errors import ToolMissing

HOST_COMPILERS = ("cc", "gcc", "clang", "clang-22")


@dataclass(frozen=True)
class Tool:
    """A program, and the first line it prints about its version."""

    name: str
    path: Path
    version: str


def find_host_compiler(names: Sequence[str] = HOST_COMPILERS) -> Tool:
    """The first C compiler of `names` that is installed."""
    return _find(names, package="gcc", purpose="compile the firmware for this machine")


def find_lx6_compiler() -> Tool:
    """clang 22, which can compile for Xtensa."""
    return _find(("clang-22",), package="clang-22", purpose="compile for the emulated Xtensa core")


def find_lx6_assembler() -> Tool:
    """llvm-mc 22, which knows all of the LX6's instructions."""
    return _find(("llvm-mc-22",), package="llvm-22", purpose="assemble for the emulated Xtensa core")


def find_lx6_linker() -> Tool:
    """GNU ld for Xtensa; LLVM's linker does not know that machine."""
    return _find(("xtensa-lx106-elf-ld",), package="binutils-xtensa-lx106", purpose="link for the emulated Xtensa core")


def _find(names: Sequence[str], *, package: str, purpose: str) -> Tool:
    for name in names:
        if path := shutil.which(name):
            return Tool(name, Path(path), _version(Path(path)))
    raise ToolMissing(
        f"not installed; it is needed to {purpose}",
        where=" or ".join(names),
        hint=f"apt-get install {package}",
    )


def _version(program: Path) -> str:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolMissing(f"does not run: {error}", where=str(program), hint="reinstall its package") from error
    lines = [line.strip() for line in done.stdout.decode(errors="replace").splitlines()]
    return next((line for line in lines if "version" in line.lower() or line.startswith("GNU")), "".join(lines[:1]))
