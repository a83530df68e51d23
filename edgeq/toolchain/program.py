"""What a firmware is made of: which sources, where their headers lie, which macros they are compiled with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeq.errors import BadInput

Target = Literal["host", "qemu_lx6"]
TARGETS: tuple[Target, ...] = ("host", "qemu_lx6")

LX6_LINKER_SCRIPT = Path("ports/qemu_lx6/link.ld")

# For applications of others: no part of edgeq's own firmware.
FOR_OTHERS = ("eq_tflm_kernels",)

_SOURCE_SUFFIXES = {"host": (".c",), "qemu_lx6": (".c", ".S")}
_INPUT_SUFFIXES = (".c", ".h", ".inc", ".S", ".ld")


# What the target's core has beyond plain C.
_CHIP: dict[Target, dict[str, int]] = {"host": {}, "qemu_lx6": {"EQ_MAC16": 1}}


@dataclass(frozen=True)
class Program:
    """All paths but `root` are relative to it, so that no path of this machine reaches the binary."""

    root: Path
    sources: tuple[Path, ...]
    include_dirs: tuple[Path, ...]
    defines: tuple[tuple[str, str], ...] = ()
    linker_script: Path | None = None

    def flags(self) -> list[str]:
        """The preprocessor's flags, for a compiler that runs in `root`."""
        return [f"-D{name}={value}" for name, value in self.defines] + [f"-I{d}" for d in self.include_dirs]


def firmware_program(
    root: Path, target: Target, *, board: str, arena_bytes: int, scratch_bytes: int, flash_bytes: int
) -> Program:
    """The firmware of edgeq for `target`: all components, the common part of the ports, and the target's port."""
    if target not in TARGETS:
        raise BadInput(f"no such target: {target}", hint=f"one of {', '.join(TARGETS)}")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", board):
        raise BadInput("not a board's name: letters, digits, '.', '_' and '-' only", where=repr(board))
    numbers = {
        "EQ_ARENA_BYTES": arena_bytes,
        "EQ_SCRATCH_BYTES": scratch_bytes,
        "EQ_FLASH_BYTES": flash_bytes,
    }
    for name, value in numbers.items():
        if not 0 < value < 1 << 31:
            raise BadInput(f"{value} is not a possible size", where=name)
    folders = _folders(root, target)
    return Program(
        root=root,
        sources=tuple(_files(root, folders, _SOURCE_SUFFIXES[target])),
        include_dirs=include_dirs(root, folders),
        defines=tuple((name, str(v)) for name, v in {"EQ_BOARD": f'"{board}"', **numbers, **_CHIP[target]}.items()),
        linker_script=LX6_LINKER_SCRIPT if target == "qemu_lx6" else None,
    )


def include_dirs(root: Path, folders: Iterable[Path]) -> tuple[Path, ...]:
    """Those of `folders` and their `include` folders that hold headers, relative to `root`."""
    candidates = [part for folder in folders for part in (folder, folder / "include")]
    return tuple(c.relative_to(root) for c in candidates if any(c.glob("*.h")) or any(c.glob("*.inc")))


def program_hash(program: Program) -> str:
    """SHA-256 in hex over names and contents of all sources and headers, and over the macros."""
    digest = hashlib.sha256()
    folders = {program.root / p for p in (*program.include_dirs, *(s.parent for s in program.sources))}
    for path in sorted(p for f in folders for p in f.iterdir() if p.suffix in _INPUT_SUFFIXES):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(program.root)}\0{len(content)}\0".encode())
        digest.update(content)
    digest.update(repr((program.sources, program.include_dirs, program.defines, program.linker_script)).encode())
    return digest.hexdigest()


def _folders(root: Path, target: Target) -> list[Path]:
    components = root / "components"
    if not components.is_dir():
        raise BadInput("no firmware sources here", where=str(root), hint="reinstall edgeq")
    ports = root / "ports"
    ours = sorted(p for p in components.iterdir() if p.is_dir() and p.name not in FOR_OTHERS)
    return [*ours, ports / "common", ports / target]


def _files(root: Path, folders: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(path.relative_to(root) for folder in folders for path in folder.iterdir() if path.suffix in suffixes)
